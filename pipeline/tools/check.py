"""FILE.csv: is it a valid submission? Any csv from anywhere; says what it holds."""
