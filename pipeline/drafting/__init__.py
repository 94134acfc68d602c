"""A competition's file, drafted from what a folder holds: what `new` writes."""
