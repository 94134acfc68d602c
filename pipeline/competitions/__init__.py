"""WHAT is asked: one small file for each competition."""
