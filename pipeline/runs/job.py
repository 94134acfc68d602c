"""What a stage is asked to do: the competition, the recipe, where files are, and what the command line added."""

import functools
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.raw.files import check_folder, holds_files
from pipeline.recipe import Recipe
from pipeline.runs.identity import saved_in
from pipeline.store import fold_table, records
from pipeline.store.fold_table import FoldTable
from pipeline.store.paths import Store
from pipeline.store.prepared import Prepared


@dataclass(frozen=True)
class Job:
    """One call of the command line.

    Attributes:
        recipe_name: the named recipe that `recipe` started from.
        data: the folder of raw files that was asked for with --data, or None.
        folds: the folds asked for with --fold (numbers or "all"); empty when the recipe decides.
        again: train again, and replace files made by hand.
        message: for the upload.
        wait: for other processes that make what is to be made, instead of refusing.
        started: when the command began, in seconds of `time.monotonic`.
        variants: for ablate: the words after --fields.
        on_bad_image: of a test picture that cannot be read: `empty`, `refuse`; blank: `empty` in a Kaggle notebook.
    """

    competition: Competition
    recipe: Recipe
    recipe_name: str
    store: Store
    data: Path | None = None
    folds: tuple = ()
    again: bool = False
    message: str = ""
    wait: bool = False
    started: float = field(default_factory=time.monotonic)
    variants: tuple[str, ...] = ()
    on_bad_image: str = ""

    @property
    def stands_in(self) -> bool:
        """Whether a test picture that cannot be read gets an empty answer, instead of being refused."""
        return (self.on_bad_image or ("empty" if self.store.kaggle_output else "refuse")) == "empty"

    def settled(self) -> "Job":
        """With the epochs that a --budget leaves open until the run's recipe is saved."""
        path = self.store.recipe
        if not self.recipe.budget or not path.exists():
            return self
        epochs = saved_in(path)[1].epochs
        return self if epochs == self.recipe.epochs else replace(self, recipe=replace(self.recipe, epochs=epochs))

    def raw_folder(self) -> Path | None:
        """Where the raw files are: --data, data/<c>/raw, or Kaggle's own input folders; None when nowhere."""
        if self.data is not None:
            check_folder(self.data)
            return self.data
        return next((folder for folder in self.raw_places() if holds_files(folder)), None)

    def raw_places(self) -> list[Path]:
        places = [self.store.raw]
        if self.competition.slug:
            name = self.competition.slug.rsplit("/", 1)[-1]
            places += [Path("/kaggle/input") / name, Path("/kaggle/input/competitions") / name]
        return places

    @functools.cached_property
    def prepared(self) -> Prepared:
        return Prepared(self.store.prepared)

    @property
    def folds_file(self) -> Path:
        """The fold table that holds: a file of the user's own making counts for every number of folds."""
        path, own = self.store.folds(self.recipe.folds), self.store.own_folds
        is_own = own.exists() and not records.record_path(own).exists()
        return own if is_own and not records.is_yours(path) else path

    @functools.cached_property
    def fold_table(self) -> FoldTable:
        return fold_table.read(self.folds_file, self.prepared)

    def fold_numbers(self) -> list:
        """The folds this call is about: those asked for, or as many as the recipe trains."""
        available = self.fold_table.count
        count = min(self.recipe.trained_folds or available, available)
        for fold in self.folds:
            if fold != "all" and fold >= available:
                raise UserError(f"--fold {fold}: there are only the folds 0 to {available - 1}, and 'all'")
        return list(dict.fromkeys(self.folds)) or list(range(count))

    def say(self, line: str) -> None:
        """A line for the user, beside the progress bars."""
        print(line, flush=True, file=sys.stdout)
