"""What strategies found in many documents: scores, times, tables, and one ZIP of all files."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from demo.common.differences import computation
from demo.common.markup import percent, printable
from demo.common.runs import tag_batch
from demo.common.serialization import ENTITY_COLUMNS, entity_row, environment_record
from demo.settings import Chosen
from demo.tabs.your_files.uploads import Upload
from engine import Document, Engine, Entity, Strategy
from engine.formats import WRITERS
from engine.machine import threads
from engine.pruning.cost import Cost
from engine.text.scoring import Counts, count_documents
from eval.schema import DENSE

CHUNK = 8  # documents per call; the page is updated after each call
LEAST_TIMED = 20  # documents for times
COLUMNS = ["file", "document", "strategy", *ENTITY_COLUMNS]
_FORMULA = tuple("=+-@\t\r")  # how cells begin that a spreadsheet computes


@dataclass(frozen=True)
class TaggedDocument:
    """What a strategy found in a document, and what it cost."""

    upload: Upload
    entities: tuple[Entity, ...]
    cost: Cost
    milliseconds: float

    @property
    def document(self) -> Document:
        """The document with what was found in it, in place of its annotations."""
        return replace(self.upload.document, entities=self.entities)

    @property
    def right(self) -> set[Any]:
        """Keys of the entities that gold has, too."""
        return {entity.key for entity in self.entities} & {entity.key for entity in self.upload.document.entities}


@dataclass(frozen=True)
class Found:
    """What a strategy has found so far."""

    chosen: Chosen
    tagged: list[TaggedDocument] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        """The time of all documents."""
        return sum(document.milliseconds for document in self.tagged)


def tag_documents(
    engine: Engine, uploads: Sequence[Upload], strategies: Sequence[Chosen], wanted: Callable[[], bool]
) -> Iterator[list[Found]]:
    """Yields what each strategy has found so far, after every ``CHUNK`` documents, as long as it is wanted.

    Short untimed passes come first, with one window and with one for each thread: in 8 bits a thread prepares its
    layers at their first use. Strategies take turns going first, because the first one to see a word tokenises it.
    """
    for count in 1, threads():
        tag_batch(engine, ["untimed"] * count, Strategy())
    found = list(map(Found, strategies))
    for number, start in enumerate(range(0, len(uploads), CHUNK)):
        part = uploads[start : start + CHUNK]
        texts = [upload.document.text for upload in part]
        first = number % len(found)
        tagged = {}
        for outcome in [*found[first:], *found[:first]]:
            if not wanted():
                return
            results = tag_batch(engine, texts, outcome.chosen.strategy, batch_size=CHUNK)
            tagged[outcome.chosen.name] = [
                TaggedDocument(upload, result.entities, result.cost, result.latency.total_ms / result.latency.texts)
                for upload, result in zip(part, results, strict=True)
            ]
        for outcome in found:
            outcome.tagged.extend(tagged[outcome.chosen.name])
        yield found


def summary(found: Sequence[Found], types: Sequence[str]) -> list[list[Any]]:
    """Heads, then a row for each strategy over the documents tagged so far.

    Times come with `LEAST_TIMED` documents, the speed-up with dense, and F1, precision and recall with gold: they are
    over the documents whose files have it, and over its ``types``.
    """
    full = _full(found)
    rows = []
    for outcome in found:
        tagged = outcome.tagged
        row: dict[str, Any] = {
            "strategy": outcome.chosen.label,
            "docs": len(tagged),
            "entities": sum(len(one.entities) for one in tagged),
            "computation": percent(computation(outcome.chosen.strategy, [one.cost for one in tagged]), 1),
        }
        timed = len(tagged) >= LEAST_TIMED
        row["ms/doc"] = f"{outcome.milliseconds / len(tagged):.1f}" if timed else "–"
        if full:
            row["times as fast"] = f"{full.milliseconds / outcome.milliseconds:.1f}×" if timed else "–"
        if types:
            scored = [one for one in tagged if one.upload.has_gold]
            gold, predicted = [one.upload.document for one in scored], [one.entities for one in scored]
            counts = Counts.total(count_documents(gold, predicted, types))
            row |= {"F1": f"{counts.f1:.4f}", "P": f"{counts.precision:.4f}", "R": f"{counts.recall:.4f}"}
        rows.append(row)
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def _full(found: Sequence[Found]) -> Found | None:
    """What dense found; None if it was not chosen."""
    return next((outcome for outcome in found if outcome.chosen.name == DENSE), None)


def who_is_right(found: Sequence[Found]) -> Iterator[str]:
    """What gold says where a strategy differs from all layers: how many entities of gold only the one of them has."""
    full = _full(found)
    for outcome in found:
        if full and outcome is not full:
            pairs = [(one.right, other.right) for one, other in zip(outcome.tagged, full.tagged, strict=True)]
            own, dense = (sum(len(pair[at] - pair[1 - at]) for pair in pairs) for at in (0, 1))
            name = outcome.chosen.label
            yield f"Of the entities in the files, {name} alone finds {own}, and all layers alone find {dense}."


def entity_rows(found: Sequence[Found]) -> Iterator[tuple[Any, ...]]:
    """All entities found, in the order of ``COLUMNS``; those of dense come last."""
    return (
        (printable(one.upload.file), printable(one.upload.document.id), outcome.chosen.label, *entity_row(entity))
        for outcome in sorted(found, key=lambda outcome: outcome.chosen.name == DENSE)
        for one in outcome.tagged
        for entity in one.entities
    )


def write_zip(found: Sequence[Found], types: Sequence[str], engine: Engine, path: Path) -> None:
    """Writes one ZIP with each strategy's documents in every format, both tables as CSV, and all settings.

    ``types``: those of gold. The settings name the weights, by their digest, and the environment.
    """
    strategies = [outcome.chosen.strategy.to_json() for outcome in found]
    settings = {"weights_sha256": engine.digest} | environment_record(engine) | {"strategies": strategies}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for outcome in found:
            folder = re.sub(r"[^\w.-]+", "-", outcome.chosen.name)
            for writer in WRITERS.values():
                text = "".join(writer.write(one.document for one in outcome.tagged))
                archive.writestr(f"{folder}/tagged{writer.suffix}", text.encode("utf-8", "replace"))
        archive.writestr("summary.csv", _csv(summary(found, types)))
        archive.writestr("entities.csv", _csv([COLUMNS, *entity_rows(found)]))
        archive.writestr("settings.json", json.dumps(settings, indent=1) + "\n")


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    """A table as spreadsheets read it, without cells that they would compute."""
    file = StringIO(newline="")
    csv.writer(file).writerows([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row] for row in rows)
    return file.getvalue()
