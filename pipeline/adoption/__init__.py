"""Predictions that another program made, read from whatever layout it wrote (`adopt`)."""
