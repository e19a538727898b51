"""Splits annotated documents for training: ``python -m engine.training.split FILE… --out FOLDER``.

Writes ``train.jsonl``, ``dev.jsonl`` for early stopping, and ``test.jsonl``, at random. No text is in two parts.
"""

import math
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from pathlib import Path

from engine.cli.command import as_command, new_parser, say
from engine.cli.runs import check_new
from engine.errors import FormatError, InputError
from engine.formats import Ids, read_documents
from engine.formats.jsonl import JSONL
from engine.text.documents import Document

PARTS = ("train", "dev", "test")
SHARES = "70,15,15"


def split_documents(documents: Iterable[Document], shares: Sequence[float], seed: int = 0) -> dict[str, list[Document]]:
    """Splits documents in proportion to the shares; raises an `InputError` if a part would be empty."""
    same: dict[str, list[Document]] = {}
    for document in documents:
        same.setdefault("".join(document.text.split()), []).append(document)
    groups = list(same.values())
    random.Random(seed).shuffle(groups)
    bounds = [round(len(groups) * sum(shares[:number]) / sum(shares)) for number in range(len(PARTS) + 1)]
    slices = zip(PARTS, pairwise(bounds), strict=True)
    parts = {name: list(chain.from_iterable(groups[begin:end])) for name, (begin, end) in slices}
    if empty := [name for name, part in parts.items() if not part]:
        raise InputError(f"{len(groups)} different documents leave none for {' and '.join(empty)}. Give more.")
    return parts


@as_command
def main(argv: list[str] | None) -> int:
    parser = new_parser("engine.training.split", __doc__)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="annotated documents in any format")
    add("--out", required=True, type=Path, metavar="FOLDER", help="new folder for the three files")
    add("--share", default=SHARES, help="sizes of the three, in proportion (default %(default)s)")
    add("--seed", type=int, default=0, help="seed of the random order (default %(default)s)")
    add("--skip-bad", action="store_true", help="leave out broken documents")
    arguments = parser.parse_args(argv)
    try:
        shares = [float(part) for part in arguments.share.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(PARTS) or not (min(shares) > 0 and sum(shares) < math.inf):
        raise InputError(f"--share {arguments.share!r} is not three numbers above 0; write e.g. {SHARES}.")
    check_new(arguments.out)
    ids = Ids()
    broken: list[FormatError] = []
    documents = [document for file in arguments.files for document in read_documents(file, broken.append, ids=ids)]
    for error in (each for first in broken if not first.repeats for each in (first, *first.others)):
        say(str(error))
    if broken and not arguments.skip_bad:
        raise InputError(f"{len(broken)} documents are broken. Correct them, or leave them out with --skip-bad.")
    parts = split_documents(documents, shares, arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        (arguments.out / f"{name}.jsonl").write_text("".join(JSONL.write(part)), encoding="utf-8", errors="replace")
        mentions = Counter(entity.type for document in part for entity in document.entities)
        by_type = ", ".join(f"{type_} {count:,}" for type_, count in sorted(mentions.items()))
        say(f"{name}: {len(part):,} documents; {by_type or 'no mentions'}.")
    corpora = f"--corpus {arguments.out}/train.jsonl --dev-corpus {arguments.out}/dev.jsonl"
    say(f"Next: bioner finetune --backbone ENCODER {corpora} --out FOLDER")
    return 0


if __name__ == "__main__":
    sys.exit(main())
