"""Trains spaCy's named-entity recogniser as a baseline: ``python -m eval.train_spacy --out FOLDER``.

It is a convolutional network in spaCy's efficiency configuration, trained until F1 on the corpus' development documents
stops rising. Needs ``requirements-eval.txt``; measure it with ``python -m eval.report --baselines spacy=FOLDER``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.command import as_command
from engine.data.corpora import load_corpus
from engine.errors import InputError
from engine.runs import locked
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents
from eval.measure.baselines.base import package
from eval.measure.baselines.spacy import entities
from eval.options import AtLeast

BEST, CONFIG = "model-best", "config.cfg"


def write_documents(documents: Sequence[Document], nlp: Any, file: Path) -> float:
    """Writes documents for spaCy, dropping mentions that do not align with its tokens.

    Returns:
        The share of mentions that are kept.
    """
    tokens, spans = package("spacy.tokens", "spacy"), package("spacy.util", "spacy")
    stored, kept, total = tokens.DocBin(), 0, 0
    for document in documents:
        made = nlp.make_doc(document.text)
        found = [made.char_span(entity.start, entity.end, label=entity.type) for entity in document.entities]
        made.ents = spans.filter_spans([span for span in found if span is not None])
        kept, total = kept + len(made.ents), total + len(found)
        stored.add(made)
    stored.to_disk(file)
    return kept / total if total else 1.0


def train(fit: Sequence[Document], development: Sequence[Document], out: Path, seed: int, patience: int) -> None:
    """Writes the best model to a folder that has none yet; during training, the texts are stored there.

    ``patience``: steps without a better F1 after which training ends.
    """
    spacy = package("spacy", "spacy")
    config = package("spacy.cli.init_config", "spacy").init_config(
        lang="en", pipeline=["ner"], optimize="efficiency", gpu=False, silent=True
    )
    blank = spacy.blank("en")
    with TemporaryDirectory(dir=out) as name:
        folder = Path(name)
        for part, documents in (("train", fit), ("dev", development)):
            share = write_documents(documents, blank, folder / f"{part}.spacy")
            config["paths"][part] = str(folder / f"{part}.spacy")
            print(f"{part}: {len(documents)} documents, {share:.1%} of the mentions on spaCy's words", file=sys.stderr)
        looks = {"patience": patience, "eval_frequency": min(200, max(1, patience // 8)), "max_steps": 0}
        config["training"] |= {"seed": seed, **looks}
        config["system"]["seed"] = seed
        nlp = package("spacy.training.initialize", "spacy").init_nlp(config)
        package("spacy.training.loop", "spacy").train(nlp, folder, use_gpu=-1, stdout=sys.stderr, stderr=sys.stderr)
        best = spacy.load(folder / BEST)
        best.meta["description"] = f"trained on {len(fit)} documents until {len(development)} others showed no gain"
        best.to_disk(folder / BEST)
        # Config last: it completes the model.
        for path in sorted((folder / BEST).iterdir(), key=lambda path: path.name == CONFIG):
            shutil.move(path, out / path.name)


def score(folder: Path, documents: Sequence[Document], types: Sequence[str]) -> Counts:
    """Counts a trained model's exact matches, as for all others."""
    nlp = package("spacy", "spacy").load(folder)
    found = [entities(document.text, nlp(document.text)) for document in documents]
    return Counts.total(count_documents(documents, found, types))


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.train_spacy", description=__doc__)
    parser.add_argument("--corpus", default="bc5cdr", help="name or file (default bc5cdr)")
    parser.add_argument("--split", default="fit", help="to learn from (default fit)")
    parser.add_argument("--development", default="calib", help="split on which training ends (default calib)")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument("--limit", type=int, action=AtLeast, const=1, help="first N documents of either only")
    parser.add_argument(
        "--patience",
        type=int,
        action=AtLeast,
        const=1,
        default=1600,
        help="steps without gain (default 1600, spaCy's own)",
    )
    parser.add_argument("--seed", type=int, action=AtLeast, const=0, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model")
    arguments = parser.parse_args(argv)
    package("spacy", "spacy")
    fit, development = (
        load_corpus(arguments.corpus, split, arguments.data_dir, limit=arguments.limit)
        for split in (arguments.split, arguments.development)
    )
    if not (fit.documents and development.documents and fit.types):
        raise InputError(f"expected documents with gold in {fit.name}, got none; choose another corpus")
    with locked(arguments.out):
        if (arguments.out / CONFIG).exists():
            raise InputError(f"expected no model in {arguments.out} yet, got one; choose another --out")
        train(fit.documents, development.documents, arguments.out, arguments.seed, arguments.patience)
    counts = score(arguments.out, development.documents, development.types)
    print(f"F1 {counts.f1:.4f} on {development.name} {development.split}; {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
