"""The hidden-test rehearsal: a machine like Kaggle's, a test part that nobody has seen, and what Kaggle would say."""
