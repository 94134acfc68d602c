"""The rows of the table, a function each: how often in turns -> what was measured."""
