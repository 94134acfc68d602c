"""What variants of a recipe gain: a table and a picture."""
