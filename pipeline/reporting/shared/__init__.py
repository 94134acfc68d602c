"""What all pages have in common: their style, how they are filled in, charts and pictures."""
