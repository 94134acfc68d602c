"""What the page of a run shows: numbers, charts and pictures, from the files of the run to one html page."""
