"""A piece of work that needs no Keras: a process that learns nothing, epoch by epoch, as a fold does."""

from dataclasses import replace
from pathlib import Path

from pipeline.machines import errand, luggage, nodes, work
from tests import made_runs

# arguments: the fold's folder below the root, epochs, what goes wrong, "--root", the root
PROCESS = """
import os, sys, time
import numpy as np
folder, epochs, wrong = os.path.join(sys.argv[5], sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.makedirs(folder, exist_ok=True)
path = os.path.join(folder, "checkpoint.npz")
done, by = 0, []
print("prepare: up to date")
print("train:")
if os.path.exists(path):
    with np.load(path) as saved:
        done, by = int(saved["epoch"]), list(saved["by"])
first = done
for epoch in range(done + 1, epochs + 1):
    if wrong == "refused":
        print("error: nothing is left to learn from", file=sys.stderr)
        sys.exit(2)
    if wrong == "killed" and epoch == 2 and first == 0:
        os.kill(os.getpid(), 9)
    time.sleep(SECONDS)
    by.append(first)
    with open(os.path.join(folder, "history.csv"), "w") as file:
        file.write("epoch,loss,iou,accuracy,learning_rate,score,seconds\\n")
        file.writelines(f"{each},{1 / each},0.5,0.5,0.001,,0.1\\n" for each in range(1, epoch + 1))
    with open(path + ".part", "wb") as file:
        np.savez(file, epoch=epoch, by=by)
    os.replace(path + ".part", path)
    print(f"{os.path.basename(folder).replace('fold', 'fold ')}, epoch {epoch} of {epochs}: loss 0.1", flush=True)
with open(os.path.join(os.path.dirname(folder), "..", "..", "..", "data", "demo", "prepared", "prepared.json")) as file:
    read = file.read()
for name, content in (("valid.csv", read), ("valid.npy.inputs.json", "{}"), ("valid.npy", " ".join(map(str, by)))):
    with open(os.path.join(folder, name), "w") as file:
        file.write(content)
os.remove(path)
"""


def arguments(one: work.Work, wrong: str = "", seconds: float = 0.3) -> tuple[str, ...]:
    """Of Python, for that process."""
    folder = one.folder.relative_to(one.root).as_posix()
    return ("-c", PROCESS.replace("SECONDS", str(seconds)), folder, str(one.epochs), wrong)


def job_and_works(root: Path, folds: int, epochs: int = 3) -> tuple:
    """(job, works) of a run of the demo that has begun."""
    job = made_runs.job_of(root, "apart")
    made_runs.save_recipe(job)
    return job, [work.of(job, fold, epochs) for fold in range(folds)]


def errand_of(job, one: work.Work, **changes) -> errand.Errand:
    """Of the process above."""
    found = luggage.errand_of(job, one, luggage.data_of(job), nodes.Share(1), every=0)
    return replace(found, arguments=arguments(one), **changes)
