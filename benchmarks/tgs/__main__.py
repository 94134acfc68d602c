"""TGS on a GPU: the recipes, then what each part adds to `default` on its fold 0, then all folds of what gained most.

KERAS_BACKEND=jax python -m benchmarks.tgs --data DIR --deadline 9m --out OUT [--resume EARLIER_OUT]
"""

from benchmarks.deadline import main

# what two cores cannot tell apart, or cannot afford
VARIANTS = [
    "seed=1",
    # what averaging over scales gives: the weights are those of the base
    "tta_scales=",
    "fit=resize",
    "epochs=120",
    "width=48",
    "fit=double,size=224,stem=2",
    "fit=double,size=224",
]

main("tgs", ["default"], VARIANTS)
