"""The only room that talks to Kaggle."""
