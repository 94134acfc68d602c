"""Which files are images, masks and pictures to answer, by their names and folders: behind `raw.folders`."""
