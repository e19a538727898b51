"""Trains spaCy's named-entity recogniser as a baseline: ``python -m eval.train_spacy --out FOLDER``.

Converts a corpus to spaCy's format and runs spaCy's own ``train`` with its efficiency configuration until F1 on the
corpus' development documents stops rising. Needs the extra ``baselines``. Measure the model with
``python -m eval.report --baselines spacy=FOLDER``.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.cli.command import as_command, program, say
from engine.cli.options import add_options, config_of
from engine.cli.runs import check_new, locked
from engine.errors import InputError, extra
from engine.settings import setting
from engine.text.documents import Document
from eval.config import CorpusConfig


@dataclass(frozen=True, kw_only=True)
class SpacyConfig(CorpusConfig):
    """What is trained, and on what."""

    corpus: str = setting("bc5cdr", "name or file")
    split: str = setting("fit", "training documents")
    development: str = setting("calib", "split that decides when to stop")
    patience: int = setting(1600, "steps without a gain", 1, inf)
    seed: int = setting(0, "seed of everything random", 0, inf)
    out: str = setting(MISSING, "folder for the model and, during training, the texts")


def write_documents(documents: Sequence[Document], nlp: Any, file: Path) -> None:
    """Writes documents in spaCy's format, without mentions whose borders are not those of spaCy's tokens."""
    from spacy.tokens import DocBin
    from spacy.util import filter_spans

    stored = DocBin()
    kept = total = 0
    for document in documents:
        converted = nlp.make_doc(document.text)
        spans = [converted.char_span(entity.start, entity.end, label=entity.type) for entity in document.entities]
        converted.ents = filter_spans([span for span in spans if span is not None])
        kept, total = kept + len(converted.ents), total + len(spans)
        stored.add(converted)
    stored.to_disk(file)
    say(f"{file.stem}: {len(documents)} documents; {kept} of {total} mentions match spaCy's tokens")


@as_command
def main(argv: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog=program("eval.train_spacy"), description=__doc__)
    add_options(parser, SpacyConfig)
    config = config_of(SpacyConfig, parser.parse_args(argv))
    out = Path(config.out)
    corpora = [replace(config, split=split).load() for split in (config.split, config.development)]
    if not all(corpus.types for corpus in corpora):
        raise InputError(f"expected documents with gold in {config.corpus}, got none; choose another corpus")
    check_new(out)
    with locked(out), extra("baselines"):
        _train(config, [corpus.documents for corpus in corpora], out)
    print(out / "model-best")
    return 0


def _train(config: SpacyConfig, documents: Sequence[Sequence[Document]], out: Path) -> None:
    """Trains on the first documents until F1 on the second stops rising."""
    import spacy
    from spacy.cli.init_config import init_config
    from spacy.cli.train import train

    settings: Any = init_config(lang="en", pipeline=["ner"], optimize="efficiency", silent=True)
    eval_frequency = min(200, max(1, config.patience // 8))
    settings["training"] |= {"patience": config.patience, "eval_frequency": eval_frequency, "max_steps": 0}
    settings["system"]["seed"] = settings["training"]["seed"] = config.seed
    with TemporaryDirectory(dir=out) as texts:
        files = [Path(texts, name) for name in ("train.spacy", "dev.spacy")]
        settings["paths"] |= {file.stem: str(file) for file in files}
        for of_file, file in zip(documents, files, strict=True):
            write_documents(of_file, spacy.blank("en"), file)
        settings.to_disk(out / "config.cfg")
        train(out / "config.cfg", out)


if __name__ == "__main__":
    sys.exit(main())
