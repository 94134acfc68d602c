"""How fast, against whom: `python -m benchmarks.speed`. Measured runs of real competitions are in the folders."""
