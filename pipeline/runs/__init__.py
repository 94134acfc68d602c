"""What a run is: its name, its recipe, what of it is trained and still true, what it took from elsewhere."""
