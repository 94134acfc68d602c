"""From a segmentation competition's raw files to a validated submission, in staged scripts."""
