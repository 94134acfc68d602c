"""What is drawn on pictures and written down otherwise than as pictures: run lengths, outlines, arrays."""
