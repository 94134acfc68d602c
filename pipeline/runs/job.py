"""What a stage is asked to do: the competition, the recipe, where files are, and what the command line added."""

import functools
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline import recipe as recipes
from pipeline.competition import Competition
from pipeline.errors import UserError
from pipeline.raw.files import check_folder, holds_files
from pipeline.recipe import Recipe
from pipeline.runs import own_groups
from pipeline.runs.identity import saved_in
from pipeline.store import fold_table, records
from pipeline.store.fold_table import FoldTable
from pipeline.store.paths import Store, mounted_at
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
        kernel: for the upload: the version of a notebook that is submitted, USER/SLUG/VERSION; blank: the csv is.
        continue_from: an earlier output that the run goes on from; blank where it begins.
        wait: for other processes that make what is to be made, instead of refusing.
        started: when the command began, in seconds of `time.monotonic`.
        variants: for ablate: the words after --fields.
        jobs: how many folds are trained at a time, each by a process of its own: a number, or `auto`.
        on: where they are trained otherwise: `ray`, the address of a Ray cluster, or blank for this machine.
        devices: over how many of them each batch of a fold is spread.
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
    kernel: str = ""
    continue_from: str = ""
    wait: bool = False
    started: float = field(default_factory=time.monotonic)
    variants: tuple[str, ...] = ()
    jobs: int | str = 1
    on: str = ""
    devices: int = 1
    on_bad_image: str = ""

    @property
    def stands_in(self) -> bool:
        """Whether a test picture that cannot be read gets an empty answer, instead of being refused."""
        return (self.on_bad_image or ("empty" if self.store.kaggle_output else "refuse")) == "empty"

    @property
    def named_recipe(self) -> Recipe:
        """The recipe that `recipe` started from, as the competition's file has it."""
        return recipes.resolve(self.competition.recipes.get(self.recipe_name, {}), {})

    @property
    def has_own_name(self) -> bool:
        """Whether the run is called otherwise than after its recipe."""
        return self.store.run != recipes.run_name(self.recipe_name, self.recipe, self.named_recipe)

    def settled(self) -> "Job":
        """With the epochs that a --budget leaves open until the run's recipe is saved."""
        path = self.store.recipe
        if not self.recipe.budget or not path.exists():
            return self
        epochs = saved_in(path)[1].epochs
        return self if epochs == self.recipe.epochs else replace(self, recipe=replace(self.recipe, epochs=epochs))

    def raw_folder(self) -> Path | None:
        """Where the raw files are: --data, data/<c>/raw, Kaggle's own input folders, or what was drawn in their place;
        None when nowhere."""
        if self.data is not None:
            check_folder(self.data)
            return self.data
        return next((folder for folder in self.raw_places() if holds_files(folder)), None)

    def raw_places(self) -> list[Path]:
        places = [self.store.raw]
        if self.competition.slug:
            places += mounted_at(self.competition.slug)
            # the last of all: whatever is the competition's own comes before what was drawn
            places += [self.store.drawn] if self.competition.draw else []
        return places

    @functools.cached_property
    def prepared(self) -> Prepared:
        return own_groups.applied(Prepared(self.store.prepared), self.competition, self.store.own_groups)

    @property
    def made_folds_file(self) -> Path:
        """The fold table that `split` makes."""
        return self.store.folds(self.recipe.folds, self.recipe.split)

    @property
    def folds_file(self) -> Path:
        """The fold table that holds: a file of the user's own making counts for every number of folds."""
        path, own = self.made_folds_file, self.store.own_folds(self.recipe.split)
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
