"""WHEN: one file for each stage, files in, files out."""
