"""The KIND of answer: what a network learns and how its probabilities become labels and rows."""
