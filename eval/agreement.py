"""Measures how far two engines agree on plain text: ``python -m eval.agreement --model A --other B --texts FILE…``.

Each is a model folder or any token-classification checkpoint, with a strategy and operating point (``entropy:fast``).
Agreement is the F1 of one engine's entities against the other's, in either order; its standard error is over texts.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from engine.command import as_command
from engine.data.texts import read_texts
from engine.options import DTYPES, tag_documents
from engine.tagger import Engine, load_engine
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents, f1_difference_error, perfect
from eval.render.text import table

COLUMNS = ("type", "agreement, %", "standard error", "entities of A", "of B", "of both")
BATCH = 32  # texts per call


def tag(engine: Engine, texts: Sequence[str], strategy: str, name: str) -> list[Document]:
    """Tags texts and returns them as documents; ``name`` is shown beside the progress."""
    documents = (Document(str(number), text) for number, text in enumerate(tqdm(texts, desc=name, disable=None)))
    return list(tag_documents(engine, engine.strategy(strategy), documents, BATCH))


def rows(one: Sequence[Document], other: Sequence[Document], types: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yields agreement and its standard error in %, and numbers of entities, for all types together and for each.

    Agreement is undefined if neither engine finds anything. The error needs two texts and entities of both.
    """
    for name, scored in (("all", tuple(types)), *((type_, (type_,)) for type_ in types)):
        counts = count_documents(other, [document.entities for document in one], scored)
        total = Counts.total(counts)
        agreement, error = "–", "–"
        if total.predicted + total.gold:
            agreement = f"{100 * total.f1:.2f}"
            if total.gold and total.predicted and len(counts) > 1:
                error = f"{100 * f1_difference_error(counts, perfect(counts)):.2f}"
        yield name, agreement, error, str(total.predicted), str(total.gold), str(total.correct)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.agreement", description=__doc__)
    parser.add_argument("--model", help="folder or hub id (default: the shipped weights)")
    parser.add_argument("--other", help="folder or hub id of the second engine (default: as --model)")
    parser.add_argument(
        "--texts", nargs="+", required=True, metavar="FILE", help="texts in any format; .txt: one per line"
    )
    parser.add_argument(
        "--strategy", help="strategy of --model, e.g. entropy:fast (default entropy; without gates dense)"
    )
    parser.add_argument("--other-strategy", default="dense", help="strategy of --other (default %(default)s)")
    parser.add_argument("--labels", metavar="FILE", help="file that says what the labels of --model mean")
    parser.add_argument("--other-labels", metavar="FILE", help="file that says what the labels of --other mean")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    parser.add_argument("--dtype", default="float32", choices=DTYPES, help="dtype of --model (default %(default)s)")
    parser.add_argument(
        "--other-dtype", default="float32", choices=DTYPES, help="dtype of --other (default %(default)s)"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    texts = read_texts(arguments.texts)
    engine = load_engine(arguments.model, arguments.dtype, arguments.device, arguments.labels)
    other = load_engine(
        arguments.other or arguments.model,
        arguments.other_dtype,
        arguments.device,
        arguments.other_labels or (None if arguments.other else arguments.labels),
    )
    strategy = arguments.strategy or ("entropy" if engine.has_gates else "dense")
    found = tag(engine, texts, strategy, "first")
    found_by_other = tag(other, texts, arguments.other_strategy, "second")
    first = f"A: {engine.source}, {strategy}, {engine.dtype}"
    second = f"B: {other.source}, {arguments.other_strategy}, {other.dtype}"
    types = dict.fromkeys((*engine.labels.types, *other.labels.types))
    print(f"{first}; {second}; {len(texts)} texts\n\n{table(COLUMNS, rows(found, found_by_other, tuple(types)))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
