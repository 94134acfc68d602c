"""The page about the data, before anything is trained."""
