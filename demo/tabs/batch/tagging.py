"""What strategies found in many documents: scores, times, tables, and one ZIP of all files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pandas as pd
import torch

from demo.common.markup import printable
from demo.common.serialization import ENTITY_COLUMNS, csv_text, entity_row, environment_record
from demo.common.timing import MARGIN, Wanted
from engine import Document, Engine, Strategy
from engine.data.formats import WRITERS
from engine.inspection.cost import Cost
from engine.text.scoring import Counts, count_documents
from eval.schema import DENSE

CHUNK = 8  # documents per call; the page is updated after each call
LEAST_TIMED = 20  # documents for a speed-up
LISTED_ENTITIES = 1000
SHOWN_CHARACTERS = 300  # per id or mention in the table
COLUMNS = ("document", "strategy", *ENTITY_COLUMNS)


@dataclass(frozen=True)
class TaggedDocument:
    """A document with the entities that a strategy found, and what they cost."""

    document: Document
    cost: Cost
    milliseconds: float


Found = Mapping[str, Sequence[TaggedDocument]]  # by strategy


def tag_documents(
    engine: Engine, documents: Sequence[Document], strategies: Sequence[Strategy], wanted: Wanted = lambda: True
) -> Iterator[dict[str, list[TaggedDocument]]]:
    """Yields what each strategy has found so far, after every ``CHUNK`` documents, as long as it is wanted.

    Short untimed passes come first, with one window and with one for each thread: in 8 bits a thread prepares its
    layers at their first use. Strategies take turns going first, because the first one to see a word tokenises it.
    """
    for count in 1, torch.get_num_threads():
        engine.tag_batch(["untimed"] * count, Strategy(DENSE))
    tagged: dict[str, list[TaggedDocument]] = {strategy.name: [] for strategy in strategies}
    for number, start in enumerate(range(0, len(documents), CHUNK)):
        part = documents[start : start + CHUNK]
        first = number % len(strategies)
        results = {}
        for strategy in [*strategies[first:], *strategies[:first]]:
            if not wanted():
                return
            results[strategy.name] = engine.tag_batch([each.text for each in part], strategy, batch_size=CHUNK)
        for name, of_part in results.items():
            tagged[name] += [
                TaggedDocument(
                    replace(document, entities=result.entities),
                    result.cost,
                    result.latency.total_ms / result.latency.texts,
                )
                for document, result in zip(part, of_part, strict=True)
            ]
        yield tagged


def gold_types(documents: Sequence[Document]) -> list[str]:
    """The entity types in the file; only these are scored."""
    return sorted({entity.type for document in documents for entity in document.entities})


def summary(documents: Sequence[Document], found: Found) -> pd.DataFrame:
    """A row for each strategy over the documents tagged so far, with short heads so that all columns fit.

    It includes the speed-up against dense if that ran, and F1, precision and recall if there is gold.
    """
    types = gold_types(documents)
    rows = []
    for name, of in found.items():
        dense = sum(one.cost.dense_token_layers for one in of)
        row: dict[str, Any] = {
            "strategy": name,
            "docs": len(of),
            "entities": sum(len(one.document.entities) for one in of),
            "token-layers": f"{sum(one.cost.token_layers for one in of) / dense:.1%}" if dense else "–",
            "ms/doc": f"{_milliseconds(of) / max(1, len(of)):.1f}",
        }
        if DENSE in found:
            row["speed-up"] = _speedup(of, found[DENSE])
        if types:
            counts = Counts.total(count_documents(documents[: len(of)], [one.document.entities for one in of], types))
            row |= {"F1": f"{counts.f1:.4f}", "P": f"{counts.precision:.4f}", "R": f"{counts.recall:.4f}"}
        rows.append(row)
    return pd.DataFrame(rows)


def _milliseconds(of: Sequence[TaggedDocument]) -> float:
    return sum(one.milliseconds for one in of)


def _speedup(of: Sequence[TaggedDocument], dense: Sequence[TaggedDocument]) -> str:
    """The speed-up over dense.

    A dash for too few documents, or if it exceeds the theoretical one, so that something else slowed dense.
    """
    if len(of) < LEAST_TIMED or not _milliseconds(of):
        return "–"
    speedup = _milliseconds(dense) / _milliseconds(of)
    theoretical = sum(one.cost.macs for one in dense) / max(1, sum(one.cost.macs for one in of))
    return f"{speedup:.2f}×" if speedup <= MARGIN * theoretical else "–"


def entity_rows(found: Found) -> Iterator[tuple[Any, ...]]:
    """All entities found, in the order of ``COLUMNS``."""
    return (
        (printable(one.document.id), name, *entity_row(entity))
        for name, of in found.items()
        for one in of
        for entity in one.document.entities
    )


def entity_table(found: Found) -> pd.DataFrame:
    """The first entities found, one per row, with long texts cut."""
    rows = [tuple(map(_cut_text, row)) for row in islice(entity_rows(found), LISTED_ENTITIES)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _cut_text(value: Any) -> Any:
    return f"{value[:SHOWN_CHARACTERS]}…" if isinstance(value, str) and len(value) > SHOWN_CHARACTERS else value


def settings_json(engine: Engine, strategies: Sequence[Strategy]) -> str:
    """The digest of the weights, the environment, and all settings of each strategy."""
    record: dict[str, Any] = {"weights_sha256": engine.digest} | environment_record(engine)
    return json.dumps(record | {"strategies": [strategy.to_json() for strategy in strategies]}, indent=1) + "\n"


def write_zip(documents: Sequence[Document], found: Found, settings: str, path: Path) -> None:
    """Writes one ZIP with each strategy's documents in every format, both tables as CSV, and the settings."""
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, of in found.items():
            folder = name.replace("+", "-").replace(":", "-")
            for writer in WRITERS.values():
                text = "".join(writer.write(one.document for one in of))
                archive.writestr(f"{folder}/tagged{writer.suffix}", text.encode("utf-8", "replace"))
        archive.writestr("summary.csv", summary(documents, found).to_csv(index=False))
        archive.writestr("settings.json", settings)
        archive.writestr("entities.csv", csv_text(COLUMNS, entity_rows(found)))
