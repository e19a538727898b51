"""The evaluator's published reports: what they are called, and what they measured."""

from pathlib import Path

from engine import Engine
from engine.corpora import sample_title
from engine.corpora.named import NAMED
from eval.render import LAST, ReportFolder

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel holds README and docs inside the package, a checkout beside it.
ROOT = _PACKAGE / "project" if (_PACKAGE / "project").is_dir() else _PACKAGE.parent
REPORTS = ROOT / "docs"
TITLES = {
    "bc5cdr-test": "Shipped model on BC5CDR",
    "ncbi-disease-test": "Shipped model on NCBI-disease",
    "biored-dev": "Shipped model on our development part of BioRED",
    "biored-test-six": "Six types on BioRED",
    "bc5cdr-test-six": "Six types on BC5CDR, chemicals and diseases",
    "biored-test-six-cascade": "Cascade of six types with its teacher, on BioRED",
    "bc5cdr-test-base": "BERT-base size, no gold, on BC5CDR",
    "bc5cdr-test-cascade": "Cascade with a model of BERT-base size, on BC5CDR",
}


class Report(ReportFolder):
    """A report as the page names it."""

    @property
    def title(self) -> str:
        return TITLES.get(self.name) or f"{self.about['model']} on {self.corpus}"

    @property
    def corpus(self) -> str:
        """The corpus as readers know it: its name, or its file's name, and its split unless that is ``test``."""
        name, split = self.dense["corpus"], self.dense["split"]
        named = NAMED.get(name)
        shown = named.hub[1] if named and named.hub else Path(name).name
        return shown if split == "test" else sample_title(shown, split)

    def measured(self, engine: Engine) -> bool:
        return engine.digest[:16] in self.about["weights"]


def find_reports(folder: Path = REPORTS) -> dict[str, Report]:
    """The reports in a folder, by name, in the order of `TITLES` and then by name: subfolders with a finished run."""
    found = {path.parent.name: Report(path.parent) for path in sorted(folder.glob(f"*/{LAST}"))}
    return {name: found[name] for name in dict.fromkeys([*TITLES, *found]) if name in found}


def own_report(engine: Engine, folder: Path = REPORTS) -> Report | None:
    """The first report on the engine's weights; None if there is none."""
    return next((report for report in find_reports(folder).values() if report.measured(engine)), None)
