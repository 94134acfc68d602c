"""Weights out of the files of PyTorch: `tensors` reads one, `form` gives them to the layers of an encoder.

No code in a file is ever run, and nothing that a file names is imported.
"""
