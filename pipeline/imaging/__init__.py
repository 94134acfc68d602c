"""Arrays in, arrays out: run lengths, sizes, flips, metrics. NumPy and OpenCV only."""
