"""What people have: folders, zips, pictures and masks of many kinds."""
