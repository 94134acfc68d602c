"""Networks: how fast they learn and answer, against PyTorch with the same layers and against plain Keras.

The network is that of TGS's `quick` or of a recipe that differs from it, on drawn pictures.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.rows.drawn import blobs
from benchmarks.table import Missing, Row, in_turns, version
from pipeline.competition import RawData, RawImage
from pipeline.competitions.tgs import competition
from pipeline.recipe import Recipe
from pipeline.runs import trained
from pipeline.runs.job import Job
from pipeline.stages import prepare
from pipeline.store import disk
from pipeline.store.paths import Store
from pipeline.training import hardware, trainer
from pipeline.training.plan import FoldPlan

COUNT, STEPS = 96, 6


def train_cpu(repeats: int, recipe: Recipe) -> Row:
    """Pictures a second of the whole loop: batches made, augmented, learnt, averaged, measured."""
    if hardware.gpus():
        raise Missing("there is a GPU: see train_gpu, or set CUDA_VISIBLE_DEVICES=-1")
    return _learning(repeats, recipe, "cpu")


def train_gpu(repeats: int, recipe: Recipe) -> Row:
    """The same on a GPU."""
    if not hardware.gpus():
        raise Missing("there is no GPU here")
    return _learning(repeats, recipe, "cuda")


def feed(repeats: int, recipe: Recipe) -> Row:
    """The loop with its batches against the same step on one batch that is there already."""
    with _fold(recipe) as (learner, batches):
        ours, resident = _loops(learner, batches)
        times = in_turns(repeats, ours=ours, resident=resident)
    pictures = STEPS * batches.recipe.batch_size
    return Row(
        what=f"a loop that makes its batches ({_described(recipe)})",
        unit="pictures/s",
        n=pictures,
        ours=[pictures / seconds for seconds in times["ours"]],
        peers={
            "the same step, on one batch that is there already": [pictures / seconds for seconds in times["resident"]]
        },
    )


def predict(repeats: int, recipe: Recipe) -> Row:
    """Answers averaged over flips and scales, against `model.predict` as often on arrays of the right size."""
    import keras

    from pipeline.training import fit

    with _fold(recipe) as (_, batches):
        rows = np.arange(COUNT)
        view = batches.view
        network = fit.network_for(recipe, competition, view.info)
        answering = fit.predictor_for(recipe, competition, view.info, network)
        flips, seen = fit.flips_for(recipe, competition), fit.scales_for(recipe)
        sides = [batches.frame.side(round(scale * recipe.size)) for scale in (1.0, *seen)]
        stacks = [np.random.default_rng(0).random((COUNT, side, side, 3), np.float32) for side in sides]
        plain = keras.Sequential([network, keras.layers.Activation("sigmoid")])

        def ours():
            return list(answering.predict(view, rows, flips, seen))

        def peer():
            return [plain.predict(stack, recipe.batch_size, verbose=0) for stack in stacks for _ in flips]

        ours(), peer()
        times = in_turns(repeats, ours=ours, peer=peer)
    often = f"{len(flips)} x {1 + len(seen)} times (flips, scales)"
    return Row(
        what=f"pictures answered {often}, resized and averaged ({_described(recipe)})",
        unit="pictures/s",
        n=COUNT,
        ours=[COUNT / seconds for seconds in times["ours"]],
        peers={f"model.predict as often, {version('keras')}": [COUNT / seconds for seconds in times["peer"]]},
    )


def _learning(repeats: int, recipe: Recipe, device: str) -> Row:
    with _fold(recipe) as (learner, batches):
        ours, resident = _loops(learner, batches)
        actions = {"ours": ours, "resident": resident}
        names = {"resident": "our own step, on one batch that is there already"}
        for name, title, action in _torch_steps(learner, recipe, device):
            action()
            actions[name], names[name] = action, title
        times = in_turns(repeats, **actions)
    pictures = STEPS * recipe.batch_size
    rates = {name: [pictures / seconds for seconds in taken] for name, taken in times.items()}
    return Row(
        what=f"the loop of {_described(recipe)}",
        unit="pictures/s",
        n=pictures,
        ours=rates["ours"],
        peers={title: rates[name] for name, title in names.items() if name != "resident"},
        limit=(float(np.median(rates["resident"])), names["resident"]),
        note="" if len(actions) > 2 else "no peer: pip install torch timm, or nobody wrote these layers in PyTorch",
    )


def _loops(learner, batches) -> tuple:
    """(the real loop, the same step on one batch), STEPS of each."""
    stream = batches.stream(0)
    one = (batches(0),)

    def run(source):
        learner.fit(source, steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0)

    # at the end of each loop the averages would become the weights, by sharing their arrays, which JAX then gives away
    learner.optimizer.finalize_variable_values = lambda variables: None
    # Keras takes generators alone for what never ends
    resident = (batch for batch in itertools.repeat(one))
    # compiled here
    run(stream), run(resident)
    return (lambda: run(stream)), (lambda: run(resident))


@contextlib.contextmanager
def _fold(recipe: Recipe):
    """(learner, batches) of fold 0 of drawn pictures of TGS's size."""
    trainer.of(Recipe())  # loads Keras quietly
    from pipeline.training import fit

    with tempfile.TemporaryDirectory() as folder:
        job = Job(competition, recipe, "quick", Store(Path(folder), "tgs", "measured"))
        answers = blobs(COUNT, 5)
        pictures = [
            RawImage(
                f"{i:03}",
                "train",
                lambda i=i: np.repeat(answers[i][..., None], 3, axis=2),
                lambda i=i: (answers[i][..., None] >= 128).astype(np.uint8),
            )
            for i in range(COUNT)
        ]
        with contextlib.redirect_stdout(None):
            prepare.convert(replace(competition, read=lambda raw: RawData(pictures)), None, job.store.prepared, {})
        table = [(f"{i:03}", i % recipe.folds) for i in range(COUNT)]
        disk.write_rows(job.store.folds(recipe.folds), ["id", "fold"], table)
        folds = job.fold_table
        plan = FoldPlan(0, folds.learnt(0), folds.held_out(0), trained.inputs_of(job, 0), job.store.fold(0))
        yield fit.learner_for(plan, job.prepared, competition, recipe)


def _described(recipe: Recipe) -> str:
    import keras

    from pipeline.training import fit

    return (
        f"{recipe.encoder or recipe.model}, width {recipe.width}, {recipe.size} pixels, stem {recipe.stem}, "
        f"batch {recipe.batch_size}, {fit.precision_for(recipe)}, {version(keras.backend.backend())}"
    )


def _torch_steps(learner, recipe: Recipe, device: str):
    """(name, title, STEPS steps) of PyTorch with the same layers, on one batch of the size that the learner's network
    sees; nothing where it is not installed, or has no such layers."""
    try:
        import torch

        from benchmarks.rows import pytorch_networks

        if pytorch_networks.of(recipe) is None:
            return
    except ImportError:
        return
    torch.set_num_threads(os.cpu_count() or 1)
    batch, *answered = learner.answered
    image = torch.rand(batch, 3, *(side + 2 * learner.margin for side in answered), device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    truth = (torch.rand(batch, 1, *answered, device=device) > 0.5).float()
    # in the format that is fast here; what torch.compile writes is C++
    fast = hardware.precision("auto", "tensorflow")
    compiled = [("compiled", fast)] if shutil.which("g++") else []
    for name, precision in [*((each, each) for each in sorted({"float32", fast})), *compiled]:
        network = pytorch_networks.of(recipe).to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
        _refuse_another_size(learner, network)
        forward = torch.compile(network) if name == "compiled" else network

        def steps(forward=forward, optimizer=optimizer, precision=precision):
            for _ in range(STEPS):
                with torch.autocast(device, getattr(torch, precision), enabled=precision != "float32"):
                    logits = forward(image)
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), truth)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
            if device == "cuda":
                torch.cuda.synchronize()

        how = ", torch.compile" if name == "compiled" else ""
        title = f"torch {torch.__version__}, the same layers, channels_last, {precision}{how}"
        yield name, f"{title}, one batch, no augmentation", steps


def _refuse_another_size(learner, network) -> None:
    """Layers that are the same have as many numbers to learn."""
    ours = sum(int(np.prod(variable.shape)) for variable in learner.network.trainable_variables)
    theirs = sum(parameter.numel() for parameter in network.parameters())
    if ours != theirs:
        raise RuntimeError(f"the network has {ours} numbers to learn, that of PyTorch {theirs}: other layers")
