"""Writes the figures of README, model card and docs from the published reports: ``python -m eval.readme``.

A page holds them between ``<!-- figures: NAME -->`` and ``<!-- end -->``; NAME is one of ``PARTS``. Run it whenever a
report in ``docs`` was made again.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from textwrap import fill

import pandas as pd

from engine.cli.command import as_command
from engine.errors import InputError
from eval.render.conclusions import DEFAULT, OPENVINO, PIPELINE
from eval.render.files import BASE, CASCADE, CASCADE_MANY, SMALL, ResultRow, documents_per_second, read_tables
from eval.render.folder import LAST, ReportFolder
from eval.render.text import code, in_pp, pp, ratio, score, share, speedup

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", DOCS / "reports.md", ROOT / "weights" / "minilm-l6-bc5cdr" / "README.md")
OTHERS = ("ncbi-disease-test", "biored-dev")
ONE, MANY = 1, 32  # texts per call
LARGE = "[an MPNet-base](#your-own-checkpoint)"
_PART = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Report(ReportFolder):
    """A published report; variants are named as it displays them."""

    @property
    def sizes(self) -> list[int]:
        """Batch sizes, ascending."""
        return self.opening.sizes

    @property
    def labels(self) -> list[str]:
        """The names of all variants."""
        return [row["label"] for row in self.opening.rows if row["batch_size"] == self.sizes[0]]

    @property
    def default(self) -> str:
        """The default strategy, in the dtype in which it is fastest."""
        row = self.opening.default
        assert row is not None, "every published report has the default strategy"
        return row["label"]

    def row(self, label: str, size: int | None = None) -> ResultRow:
        """A variant at the smallest batch size, unless another is given."""
        wanted = label, size or self.sizes[0]
        return next(row for row in self.opening.rows if (row["label"], row["batch_size"]) == wanted)

    def speed(self, label: str, size: int) -> str:
        """How many times as fast as the Hugging Face pipeline a variant is; a dash if this batch size did not run."""
        if size not in self.sizes:
            return "–"
        return ratio(self.row(label, size)["speedup_vs_dense"] / self.row(PIPELINE, size)["speedup_vs_dense"])

    @cached_property
    def times(self) -> pd.DataFrame:
        """The time of each batch."""
        return read_tables(self.folder, "times")["times"]

    @property
    def processor(self) -> str:
        """The name of the processor."""
        machine: str = self.about["machine"]
        return machine.split(", ")[1].replace("(R)", "").replace(" Processor", "")

    def rate(self, label: str) -> float:
        """Documents per second, many at a time."""
        return documents_per_second(self.row(label, MANY), self.times)


def reports(*names: str) -> list[Report]:
    """The published reports of these names that are there."""
    return [Report(DOCS / name) for name in names if (DOCS / name / LAST).is_file()]


def claim() -> str:
    """The headline of the shipped model."""
    (small,) = reports(SMALL)
    return fill(f"Its default, {code(DEFAULT)}, is **{small.opening.headline()}**.", 120)


def usual_ways() -> str:
    """The usual ways to run a tagger beside the default strategy and a cascade, compared with the pipeline."""
    small, large = reports(SMALL, CASCADE_MANY)
    shown = [
        (small, PIPELINE, "`transformers.pipeline`, float32"),
        (small, "onnx-int8", "ONNX Runtime, 8 bits"),
        (small, OPENVINO, "OpenVINO, 8 bits"),
        (small, small.default, f"this project, {code(DEFAULT)}, 8 bits"),
        (large, "cascade:careful", f"`cascade:careful`: {LARGE} rereads doubtful parts; speed over its own pipeline"),
    ]
    cells = [
        [name, score(of.row(label)["f1"]), *(of.speed(label, size) for size in (ONE, MANY)), f"{of.rate(label):.0f}"]
        for of, label, name in shown
    ]
    heads = ["", "F1", f"speed, {ONE} text a call", f"speed, {MANY} a call", f"abstracts a second, {MANY} a call"]
    return f"{_table(heads, cells)}\n\n{fill(_conditions(small), 120)}"


def _conditions(small: Report) -> str:
    row = small.row(small.default)
    change = small.opening.interval(small.default, PIPELINE)
    ncbi, biored = (of.row(of.default) for of in reports(*OTHERS))
    assert change is not None, "strategies are compared with every baseline"
    return (
        f"{row['documents']} PubMed abstracts (BC5CDR test), {row['threads']} threads of an {small.processor}; speeds "
        "are relative to the pipeline with the same model (in the last row, the MPNet-base; –: not measured). The "
        f"default changes F1 by {in_pp(change)}. On NCBI-disease it has {score(ncbi['f1'])}, on BioRED "
        f"{score(biored['f1'])}."
    )


def own_checkpoint() -> str:
    """What a model of BERT-base size gains by a cascade over its own full pass in float32, beside other runtimes."""
    many, one = reports(CASCADE_MANY, CASCADE)
    shown = (many.opening.dense["label"], "onnx-int8", "cascade:careful", "cascade:balanced", "small")

    def alone(row: ResultRow) -> str:
        return speedup(one.opening.against_dense(row["label"])) if row["label"] in one.labels else "–"

    return compared(many, shown, {f"{ONE} text a call [95 %]": alone})


def all_rows() -> str:
    """Every variant of the report on the shipped model."""
    (small,) = reports(SMALL)
    costs = {
        "theoretical": lambda row: ratio(row["theoretical_speedup"]),
        "token-layers kept": lambda row: share(row["token_layers_kept"]),
    }
    return compared(small, small.labels, costs)


def overview() -> str:
    """The operating points of `entropy` and of cascades beside OpenVINO, in each published report but the first."""
    parts = []
    for of in reports(*OTHERS, BASE, CASCADE, CASCADE_MANY):
        pruned = [label for label in of.labels if label.startswith(("entropy:", "cascade:"))]
        about = f"[{of.name}]({of.name}/report.md), {of.opening.rows[0]['documents']} documents:"
        parts.append(f"{about}\n\n{compared(of, (of.opening.dense['label'], OPENVINO, *pruned))}")
    return "\n\n".join(parts)


def compared(of: Report, labels: Iterable[str], more: Mapping[str, Callable[[ResultRow], str]] | None = None) -> str:
    """A table of variants compared with dense.

    ``more``: further columns, by heading, each computed from a variant's row at the smallest batch size.
    """
    more = more or {}
    cells = []
    for label in (label for label in labels if label in of.labels):
        intervals = [of.opening.against_dense(label, size) for size in of.opening.sizes]
        further = [column(of.row(label)) for column in more.values()]
        cells.append([code(label), score(intervals[0]["f1"]), pp(intervals[0]), *map(speedup, intervals), *further])
    speeds = [f"{size} text{'s' * (size > 1)} a call [95 %]" for size in of.opening.sizes]
    heads = ["", "F1", "F1 against `dense`, pp [95 %]", f"speed-up, {speeds[0]}", *speeds[1:]]
    return _table([*heads, *more], cells)


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; cells are Markdown."""
    heads = list(heads)
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


PARTS: dict[str, Callable[[], str]] = {
    "claim": claim,
    "usual-ways": usual_ways,
    "own-checkpoint": own_checkpoint,
    "all-rows": all_rows,
    "overview": overview,
}


def filled(page: str) -> str:
    """A page with its figures, from the reports as they are now.

    Raises:
        InputError: if the page has a part that is not one of ``PARTS``.
    """

    def figures(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        if name not in PARTS:
            raise InputError(f"expected figures named {', '.join(PARTS)}, got {name}; rename the part")
        return f"{begin}{PARTS[name]()}\n{end}"

    return _PART.sub(figures, page)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    argparse.ArgumentParser(prog="python -m eval.readme", description=__doc__).parse_args(argv)
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
