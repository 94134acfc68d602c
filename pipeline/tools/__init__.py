"""Beside the stages: what takes arguments of its own."""
