"""Where files are: the only file that knows. Below one root folder, for one competition and one run."""

from dataclasses import dataclass
from pathlib import Path

# where Kaggle mounts what a notebook is given
KAGGLE_INPUT = Path("/kaggle/input")


def mounted_at(slug: str) -> list[Path]:
    """Where the files of a competition are in a Kaggle notebook, or those of a data set USER/NAME: the first that is
    there counts."""
    name = slug.rsplit("/", 1)[-1]
    return [KAGGLE_INPUT / name, KAGGLE_INPUT / "competitions" / name, KAGGLE_INPUT / "datasets" / slug]


@dataclass(frozen=True)
class Store:
    """Where the files of one competition and one run are, below one root folder. `suffix`: of its submission."""

    root: Path
    competition: str
    run: str = ""
    suffix: str = ".csv"

    @property
    def data(self) -> Path:
        return self.root / "data" / self.competition

    @property
    def raw(self) -> Path:
        """Raw files as the competition gives them (`--data` replaces it)."""
        return self.data / "raw"

    @property
    def drawn(self) -> Path:
        """Files drawn in the layout of a competition whose own are not there; never those of `raw`."""
        return self.data / "drawn"

    @property
    def prepared(self) -> Path:
        return self.data / "prepared"

    @property
    def dataset_shift(self) -> Path:
        """Whether test pictures look as train pictures do: of the prepared data, so of no run."""
        return self.data / "dataset_shift.json"

    def clusters(self, count: int) -> Path:
        """So many clusters of the prepared pictures, which stand for kinds where there are none."""
        return self.data / f"clusters-{count}.json"

    def folds(self, count: int, split: str = "") -> Path:
        """The fold table: `folds/tgs.csv` for five folds, `folds/tgs-10.csv` for ten; of another way to split
        `folds/tgs-kind.csv`, `folds/tgs-kind-10.csv`."""
        words = [self.competition, split, "" if count == 5 else str(count)]
        return self.root / "folds" / f"{'-'.join(filter(None, words))}.csv"

    def own_folds(self, split: str = "") -> Path:
        """Where a person puts a fold table, whatever the number of folds."""
        return self.folds(5, split)

    @property
    def own_groups(self) -> Path:
        """Where a person puts groups, or `mosaics` does."""
        return self.root / "folds" / f"{self.competition}-groups.csv"

    @property
    def runs(self) -> Path:
        return self.root / "runs" / self.competition

    @property
    def run_folder(self) -> Path:
        return self.runs / self.run

    def fold(self, fold) -> Path:
        """The only folder that training fold `fold` (a number or `all`) writes to."""
        return self.run_folder / f"fold{fold}"

    @property
    def recipe(self) -> Path:
        return self.run_folder / "recipe.json"

    @property
    def recipe_lock(self) -> Path:
        """What is locked while a run gets its recipe: outside of its folder, which a run that cannot begin has not."""
        return self.data / f"{self.run}.recipe"

    @property
    def adopted(self) -> Path:
        """Where the predictions of the run came from, if another program made them."""
        return self.run_folder / "adopted.json"

    @property
    def kernel(self) -> Path:
        """Which notebook of Kaggle's learns the run, or did."""
        return self.run_folder / "kernel.json"

    @property
    def kernel_lock(self) -> Path:
        """What is locked while one follows it, as `recipe_lock`."""
        return self.data / f"{self.run}.kernel"

    def model_file(self, fold) -> Path | None:
        """What a fold has learnt: a network's weights, or what a model without weights has chosen; None before."""
        paths = [self.fold(fold) / name for name in ("model.weights.h5", "model.json")]
        return next((path for path in paths if path.exists()), None)

    @property
    def thresholds(self) -> Path:
        return self.run_folder / "thresholds.json"

    @property
    def tuning(self) -> Path:
        """What the threshold search saw, for the report: the ids of the images, surfaces and curves."""
        return self.run_folder / "tuning.npz"

    @property
    def crossed(self) -> Path:
        """What each held-out image got, cross-fitted: runs are compared by it without reading a pixel again."""
        return self.run_folder / "cross_fitted.npz"

    @property
    def report(self) -> Path:
        return self.run_folder / "report.html"

    @property
    def ablation(self) -> Path:
        """What variants of this run gain, one row each; the picture of it stands beside it."""
        return self.run_folder / "ablation.csv"

    @property
    def submission(self) -> Path:
        return self.root / "submissions" / f"{self.competition}-{self.run}{self.suffix}"

    @property
    def kaggle_output(self) -> Path | None:
        """Where a Kaggle notebook's submission must be; None on any other machine."""
        folder = Path("/kaggle/working")
        return folder / f"submission{self.suffix}" if folder.is_dir() else None

    @property
    def ledger(self) -> Path:
        return self.root / "submissions" / "ledger.csv"

    def folds_holding(self, *names: str) -> list:
        """The folds of this run (numbers first, then `all`) whose folder holds all these files."""
        found = []
        for folder in self.run_folder.glob("fold*"):
            fold = folder.name.removeprefix("fold")
            if (fold == "all" or fold.isdecimal()) and all((folder / name).exists() for name in names):
                found.append(fold if fold == "all" else int(fold))
        return sorted(found, key=lambda fold: (fold == "all", fold if fold != "all" else 0))

    def shown(self, path: Path) -> str:
        """A path as a person would type it: below the root without the root."""
        try:
            return str(Path(path).relative_to(self.root))
        except ValueError:
            return str(path)
