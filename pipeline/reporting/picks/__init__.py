"""Which two submissions to choose."""
