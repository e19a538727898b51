"""Trains spaCy's named-entity recogniser as a baseline: ``python -m eval.train_spacy --out FOLDER``.

Converts a corpus to spaCy's format and runs spaCy's own ``train`` with its efficiency configuration until F1 on the
corpus' development documents stops rising. Needs the extra ``baselines``. Measure the model with
``python -m eval.report --baselines spacy=FOLDER``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.cli.command import as_command, program, say
from engine.cli.runs import check_new, locked
from engine.errors import InputError
from engine.formats.corpora import load_corpus
from engine.text.documents import Document
from eval.options import add_number, package


def write_documents(documents: Sequence[Document], nlp: Any, file: Path) -> None:
    """Writes documents in spaCy's format, without mentions whose borders are not those of spaCy's tokens."""
    stored, filter_spans = package("spacy.tokens").DocBin(), package("spacy.util").filter_spans
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
    parser.add_argument("--corpus", default="bc5cdr", help="name or file (default %(default)s)")
    parser.add_argument("--split", default="fit", help="training documents (default %(default)s)")
    parser.add_argument("--development", default="calib", help="split that decides when to stop (default %(default)s)")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    add_number(parser, "--limit", 1, help="use only the first N documents of each")
    add_number(parser, "--patience", 1, default=1600, help="steps without a gain (default %(default)s)")
    add_number(parser, "--seed", 0, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for the model and, during training, the texts")
    arguments = parser.parse_args(argv)
    splits = arguments.split, arguments.development
    corpora = [load_corpus(arguments.corpus, split, arguments.data_dir, limit=arguments.limit) for split in splits]
    if not all(corpus.documents and corpus.types for corpus in corpora):
        raise InputError(f"expected documents with gold in {arguments.corpus}, got none; choose another corpus")
    spacy, cli = package("spacy"), package("spacy.cli.train")
    init = package("spacy.cli.init_config").init_config
    config = init(lang="en", pipeline=["ner"], optimize="efficiency", silent=True)
    eval_frequency = min(200, max(1, arguments.patience // 8))
    config["training"] |= {"patience": arguments.patience, "eval_frequency": eval_frequency, "max_steps": 0}
    config["system"]["seed"] = config["training"]["seed"] = arguments.seed
    files = [arguments.out / name for name in ("train.spacy", "dev.spacy")]
    config["paths"] |= {file.stem: str(file) for file in files}
    check_new(arguments.out)
    with locked(arguments.out):
        try:
            for corpus, file in zip(corpora, files, strict=True):
                write_documents(corpus.documents, spacy.blank("en"), file)
            config.to_disk(arguments.out / "config.cfg")
            cli.train(arguments.out / "config.cfg", arguments.out)
        finally:
            for file in files:
                file.unlink(missing_ok=True)
    print(arguments.out / "model-best")
    return 0


if __name__ == "__main__":
    sys.exit(main())
