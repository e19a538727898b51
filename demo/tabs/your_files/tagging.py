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
from demo.common.serialization import ENTITY_COLUMNS, entity_row, environment_record
from demo.common.tagging import tag_batch
from demo.settings import label
from engine import Document, Engine, Strategy
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
    """A document with the entities that a strategy found, and what they cost."""

    document: Document
    cost: Cost
    milliseconds: float


@dataclass(frozen=True)
class Found:
    """What a strategy has found so far. ``label``: its name with operating point, dtype and changed settings."""

    strategy: Strategy
    label: str
    tagged: list[TaggedDocument] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        """The time of all documents."""
        return sum(document.milliseconds for document in self.tagged)


def tag_documents(
    engine: Engine,
    documents: Sequence[Document],
    strategies: Sequence[Strategy],
    point: str | None,
    wanted: Callable[[], bool] = lambda: True,
) -> Iterator[list[Found]]:
    """Yields what each strategy has found so far, after every ``CHUNK`` documents, as long as it is wanted.

    Short untimed passes come first, with one window and with one for each thread: in 8 bits a thread prepares its
    layers at their first use. Strategies take turns going first, because the first one to see a word tokenises it.
    """
    for count in 1, threads():
        tag_batch(engine, ["untimed"] * count, Strategy())
    found = [Found(strategy, label(engine, strategy, point)) for strategy in strategies]
    for number, start in enumerate(range(0, len(documents), CHUNK)):
        part = documents[start : start + CHUNK]
        first = number % len(found)
        results = {}
        for outcome in [*found[first:], *found[:first]]:
            if not wanted():
                return
            texts = [document.text for document in part]
            results[outcome.label] = tag_batch(engine, texts, outcome.strategy, batch_size=CHUNK)
        for outcome in found:
            outcome.tagged.extend(
                TaggedDocument(
                    replace(document, entities=result.entities),
                    result.cost,
                    result.latency.total_ms / result.latency.texts,
                )
                for document, result in zip(part, results[outcome.label], strict=True)
            )
        yield found


def gold_types(documents: Sequence[Document]) -> list[str]:
    """The entity types in the files; only these are scored."""
    return sorted({entity.type for document in documents for entity in document.entities})


def summary(documents: Sequence[Document], has_gold: Sequence[bool], found: Sequence[Found]) -> list[list[Any]]:
    """Heads, then a row for each strategy over the documents tagged so far.

    Times come with `LEAST_TIMED` documents, the speed-up with dense, and F1, precision and recall with gold: they are
    over the documents whose files have it.
    """
    types = gold_types(documents)
    full = next((outcome for outcome in found if outcome.strategy.name == DENSE), None)
    rows = []
    for outcome in found:
        tagged, costs = outcome.tagged, [document.cost for document in outcome.tagged]
        row: dict[str, Any] = {
            "strategy": outcome.label,
            "docs": len(tagged),
            "entities": sum(len(document.document.entities) for document in tagged),
            "computation": percent(computation(outcome.strategy, costs), 1) if costs else "–",
        }
        timed = len(tagged) >= LEAST_TIMED
        row["ms/doc"] = f"{outcome.milliseconds / len(tagged):.1f}" if timed else "–"
        if full:
            row["times as fast"] = f"{full.milliseconds / outcome.milliseconds:.1f}×" if timed else "–"
        if types:
            scored = [at for at in range(len(tagged)) if has_gold[at]]
            predicted = [tagged[at].document.entities for at in scored]
            counts = Counts.total(count_documents([documents[at] for at in scored], predicted, types))
            row |= {"F1": f"{counts.f1:.4f}", "P": f"{counts.precision:.4f}", "R": f"{counts.recall:.4f}"}
        rows.append(row)
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def who_is_right(documents: Sequence[Document], has_gold: Sequence[bool], found: Sequence[Found]) -> Iterator[str]:
    """What gold says where a strategy differs from all layers: how many entities of gold only the one of them has."""
    full = next((outcome for outcome in found if outcome.strategy.name == DENSE), None)
    for outcome in found:
        if full is None or outcome is full:
            continue
        own = dense = 0
        for document, gold, one, other in zip(documents, has_gold, outcome.tagged, full.tagged, strict=False):
            keys, *both = (
                {entity.key for entity in each.entities} for each in (document, one.document, other.document)
            )
            own += gold and len((both[0] - both[1]) & keys)
            dense += gold and len((both[1] - both[0]) & keys)
        yield f"Of the entities in the files, {outcome.label} alone finds {own}, and all layers alone find {dense}."


def entity_rows(files: Sequence[str], found: Sequence[Found]) -> Iterator[tuple[Any, ...]]:
    """All entities found, in the order of ``COLUMNS``; those of dense come last. ``files``: that of each document."""
    return (
        (printable(file), printable(tagged.document.id), outcome.label, *entity_row(entity))
        for outcome in sorted(found, key=lambda outcome: outcome.strategy.name == DENSE)
        for file, tagged in zip(files, outcome.tagged, strict=False)  # the last documents may not be tagged yet
        for entity in tagged.document.entities
    )


def settings_json(engine: Engine, strategies: Sequence[Strategy]) -> str:
    """The digest of the weights, the environment, and all settings of each strategy."""
    record: dict[str, Any] = {"weights_sha256": engine.digest} | environment_record(engine)
    return json.dumps(record | {"strategies": [strategy.to_json() for strategy in strategies]}, indent=1) + "\n"


def write_zip(
    found: Sequence[Found],
    by_strategy: Iterable[Sequence[Any]],
    entities: Iterable[Sequence[Any]],
    settings: str,
    path: Path,
) -> None:
    """Writes one ZIP with each strategy's documents in every format, both tables as CSV, and the settings."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for outcome in found:
            folder = re.sub(r"[^\w.-]+", "-", outcome.strategy.name)
            for writer in WRITERS.values():
                text = "".join(writer.write(tagged.document for tagged in outcome.tagged))
                archive.writestr(f"{folder}/tagged{writer.suffix}", text.encode("utf-8", "replace"))
        archive.writestr("summary.csv", _csv(by_strategy))
        archive.writestr("entities.csv", _csv([COLUMNS, *entities]))
        archive.writestr("settings.json", settings)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    """A table as spreadsheets read it, without cells that they would compute."""
    file = StringIO(newline="")
    csv.writer(file).writerows([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row] for row in rows)
    return file.getvalue()
