"""Answering a test part that nobody has seen by what is in a pack: no train data, no folds, within a time limit."""
