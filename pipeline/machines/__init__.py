"""Where folds learn: each in a process of its own, on this machine or on others. They hand over files."""
