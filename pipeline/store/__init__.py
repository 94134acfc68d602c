"""What we keep: where files are, how they are written, and the forms of those that several rooms read."""
