"""Files of pictures -> pixels: a kind of file each, behind `raw.pictures`."""
