"""What people look at: a room for each page, and one for what they share."""
