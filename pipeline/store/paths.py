"""Where files are: the only file that knows. Below one root folder, for one competition and one run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Store:
    """Where the files of one competition and one run are, below one root folder."""

    root: Path
    competition: str
    run: str = ""

    @property
    def data(self) -> Path:
        return self.root / "data" / self.competition

    @property
    def raw(self) -> Path:
        """Raw files as the competition gives them (`--data` replaces it)."""
        return self.data / "raw"

    @property
    def prepared(self) -> Path:
        return self.data / "prepared"

    def folds(self, count: int) -> Path:
        """The fold table: `folds/tgs.csv` for five folds, `folds/tgs-10.csv` for ten."""
        return self.own_folds if count == 5 else self.root / "folds" / f"{self.competition}-{count}.csv"

    @property
    def own_folds(self) -> Path:
        """Where a person puts a fold table."""
        return self.root / "folds" / f"{self.competition}.csv"

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
    def report(self) -> Path:
        return self.run_folder / "report.html"

    @property
    def ablation(self) -> Path:
        """What variants of this run gain, one row each; the picture of it stands beside it."""
        return self.run_folder / "ablation.csv"

    @property
    def submission(self) -> Path:
        return self.root / "submissions" / f"{self.competition}-{self.run}.csv"

    @property
    def kaggle_output(self) -> Path | None:
        """Where a Kaggle notebook's submission must be; None on any other machine."""
        folder = Path("/kaggle/working")
        return folder / "submission.csv" if folder.is_dir() else None

    @property
    def ledger(self) -> Path:
        return self.root / "submissions" / "ledger.csv"

    def folds_holding(self, *names: str) -> list:
        """The folds of this run (numbers first, then `all`) whose folder holds all these files."""
        found = []
        for folder in self.run_folder.glob("fold*"):
            fold = folder.name.removeprefix("fold")
            if (fold == "all" or fold.isdigit()) and all((folder / name).exists() for name in names):
                found.append(fold if fold == "all" else int(fold))
        return sorted(found, key=lambda fold: (fold == "all", fold if fold != "all" else 0))

    def shown(self, path: Path) -> str:
        """A path as a person would type it: below the root without the root."""
        try:
            return str(Path(path).relative_to(self.root))
        except ValueError:
            return str(path)
