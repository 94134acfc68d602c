"""The paper's network on the paper's data, five folds, against NVIDIA's .890 (TensorFlow 2, the same network).

KERAS_BACKEND=jax python -m benchmarks.isbi2012 --data DIR --deadline 9m --out OUT [--resume EARLIER_OUT]
"""

from benchmarks.deadline import main

main("isbi2012", ["unet2015"])
