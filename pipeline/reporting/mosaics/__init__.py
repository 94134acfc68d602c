"""The page about tiles that are parts of one picture."""
