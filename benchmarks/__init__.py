"""How fast, against whom: `python -m benchmarks`. Measured runs of real competitions are in the folders."""
