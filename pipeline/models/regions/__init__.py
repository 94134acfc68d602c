"""The parts of an R-CNN, in `keras.ops` with shapes that do not depend on what is in a picture: it compiles once.

A box is (top, left, bottom, right) in pixels, float: pixel (y, x) covers y to y + 1 and x to x + 1.
"""
