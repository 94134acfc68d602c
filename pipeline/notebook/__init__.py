"""Functions for a notebook: a competition's dialect, score and thresholds on arrays, without any files."""
