"""How one fold learns and predicts. Only this package and `models` import Keras."""
