"""The named corpora: where their files are looked for, how they are checked, split and read."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import shutil
import urllib.request
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPException
from importlib.resources import files
from itertools import islice
from pathlib import Path

from engine.data.formats import OnError, read_dataset, read_documents
from engine.data.formats.datasets import PREFIX
from engine.data.stored import StoredDocuments
from engine.errors import FormatError, InputError
from engine.text.documents import Document

logger = logging.getLogger(__name__)

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bioner-token-pruning"


@dataclass(frozen=True)
class _File:
    name: str
    url: str
    sha256: str  # of the unpacked file


@dataclass(frozen=True)
class _NamedCorpus:
    types: tuple[str, ...]
    files: dict[str, _File]
    renamed: dict[str, str]  # the corpus' own type names → ours
    splits: tuple[str, ...]


_BRAN = "https://raw.githubusercontent.com/patverga/bran/32378da8ac339393d9faa2ff2d50ccb3b379e9a2/data/cdr"
_NCBI = "https://raw.githubusercontent.com/spyysalo/ncbi-disease/c96e2e2178ad74bb3e226812fc48db6ea84dcf7a/original-data"


def _cdr(part: str, sha256: str) -> _File:
    name = f"CDR_{part}Set.PubTator.txt"
    return _File(name, f"{_BRAN}/{name}.gz", sha256)


def _ncbi(part: str, folder: str, sha256: str) -> _File:
    name = f"NCBI{part}set_corpus.txt"
    return _File(name, f"{_NCBI}/{folder}/{name}", sha256)


NAMED = {
    "bc5cdr": _NamedCorpus(
        types=("Chemical", "Disease"),
        files={
            "train": _cdr("Training", "7afcec134e3d4871e74b0398d92850d3c9ac94c0bdc780003f2d60184c012bd8"),
            "dev": _cdr("Development", "9e18d8e700168887a7919e62f67ac2ce2357e3f409a48ee992906abdd80fe3e5"),
            "test": _cdr("Test", "a3c48d5f35bdfce20c2371778abedc9fd24d1da092207072e5181ad53c8d0e2f"),
        },
        renamed={},
        splits=("train", "dev", "test", "fit", "calib"),
    ),
    "ncbi-disease": _NamedCorpus(
        types=("Disease",),
        files={
            "train": _ncbi("train", "train", "f311381b28a6d0f641f57f4a963bb83619c2bdec5cd9caabb1381f894d5db817"),
            "dev": _ncbi("develop", "devel", "02db559974624ae9cbe6cd95d64d953e6926bb63afb6b25b63e53bd8b41a4b55"),
            "test": _ncbi("test", "test", "61c8050bf6979ef7b943ec1158dfc03b651ea3367d4c37356f9de4841e85c9a3"),
        },
        renamed=dict.fromkeys(("SpecificDisease", "DiseaseClass", "Modifier", "CompositeMention"), "Disease"),
        splits=("train", "dev", "test"),
    ),
    "biored": _NamedCorpus(
        types=("Chemical", "Disease", "Gene", "Species", "Variant", "CellLine"),
        files={
            "all": _File(
                "BioRED_TrainDev.PubTator.txt", "", "fcfc1ea8eb483362dbb8378fe8c13bb95f591076900c8161342fc9d67aec061e"
            )
        },
        renamed={},
        splits=("fit", "dev"),
    ),
}
BIORED_DEV = 60  # the last documents of the file


@dataclass(frozen=True)
class Corpus:
    """Documents with gold entities. ``types``: what the corpus annotates; ``skipped``: broken documents left out."""

    name: str
    split: str
    types: tuple[str, ...]
    documents: Sequence[Document]
    skipped: int = 0


def load_corpus(
    name: str,
    split: str = "test",
    data_dir: str | Path | None = None,
    *,
    skip_bad: bool = False,
    limit: int | None = None,
    on_disk: bool = False,
) -> Corpus:
    """A named corpus (``bc5cdr``, ``ncbi-disease``), a Hugging Face dataset, or a file in a format of ours.

    Args:
        name: corpus name, path of a file, or ``hf:ID`` or ``hf:FOLDER`` of a dataset of tokens and tags.
        split: train, dev, test; for ``bc5cdr`` also ``fit`` (train and the first 300 development documents) and
            ``calib`` (the last 200 development documents); for a dataset its own. Ignored for a file.
        data_dir: first place to look for a named corpus, before ``$BIONER_DATA``, the cache and a download.
        skip_bad: leave out broken documents with a warning instead of raising.
        limit: at most so many documents, the first ones.
        on_disk: keep documents in a temporary file instead of in memory.

    Raises:
        InputError: unknown name or split, file nowhere to be found, or a broken document.
    """
    keep = StoredDocuments if on_disk else tuple
    if name not in NAMED:
        if name.startswith(PREFIX):
            reader = partial(read_dataset, name.removeprefix(PREFIX), split)
        elif Path(name).is_file():
            reader, split = partial(read_documents, name), "all"
        else:
            raise InputError(
                f"expected a corpus of {sorted(NAMED)}, the path of a file or hf:ID of a dataset, got {name!r}; "
                "check the name"
            )
        types: set[str] = set()
        errors: list[FormatError] = []

        def read() -> Iterator[Document]:
            for number, document in enumerate(reader(_on_error(errors, skip_bad))):
                types.update(entity.type for entity in document.entities)
                if limit is None or number < limit:
                    yield document

        documents = keep(read())
        return Corpus(name, split, tuple(sorted(types)), documents, len(errors))
    corpus = NAMED[name]
    if split not in corpus.splits:
        raise InputError(f"expected a split of {name} out of {list(corpus.splits)}, got {split!r}; choose one of them")
    return Corpus(name, split, corpus.types, keep(islice(_split_documents(name, split, data_dir), limit)))


def _on_error(errors: list[FormatError], skip_bad: bool) -> OnError:
    """Collects errors with a warning, or raises the first one."""

    def on_error(error: FormatError) -> None:
        if not skip_bad:
            raise error
        errors.append(error)
        logger.warning("%s (document left out)", error)

    return on_error


def _split_documents(name: str, split: str, data_dir: str | Path | None) -> Iterator[Document]:
    if name == "biored" and split != "all":
        documents = list(_split_documents(name, "all", data_dir))
        yield from documents[:-BIORED_DEV] if split == "fit" else documents[-BIORED_DEV:]
        return
    if split == "fit":
        held_out = calib_ids()
        yield from _split_documents(name, "train", data_dir)
        yield from (d for d in _split_documents(name, "dev", data_dir) if d.id not in held_out)
        return
    if split == "calib":
        held_out = calib_ids()
        yield from (d for d in _split_documents(name, "dev", data_dir) if d.id in held_out)
        return
    corpus = NAMED[name]
    path = _find(name, corpus.files[split], data_dir)
    # NCBI-disease holds one document twice; its second copy is the only broken document of the named corpora.
    for document in read_documents(path, _on_error([], skip_bad=name == "ncbi-disease")):
        entities = tuple(replace(e, type=corpus.renamed.get(e.type, e.type)) for e in document.entities)
        yield replace(document, entities=entities)


def calib_ids() -> frozenset[str]:
    """PMIDs of BC5CDR's calibration split: the last 200 development documents, to which nothing shipped is fitted."""
    return frozenset(files("engine.data").joinpath("splits/bc5cdr-calib.txt").read_text().split())


def _find(name: str, file: _File, data_dir: str | Path | None) -> Path:
    roots = [root for root in (data_dir, os.environ.get("BIONER_DATA"), CACHE) if root]
    tried = [Path(root) / sub / file.name for root in roots for sub in (name, "")]
    for path in tried:
        if path.is_file():
            _check(path, file)
            return path
    target = CACHE / name / file.name
    try:
        _download(file, target)
    except (OSError, EOFError, zlib.error, HTTPException) as error:
        places = "\n  ".join([*map(str, tried), f"{file.url} ({error})"])
        raise InputError(
            f"expected {file.name} of {name} in one of these places, got none; "
            f"download it and name its folder with --data-dir or BIONER_DATA:\n  {places}"
        ) from error
    return target


def _check(path: Path, file: _File) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != file.sha256:
        raise InputError(f"expected SHA-256 {file.sha256} for {path}, got {digest}; remove the file or fetch it again")


def _download(file: _File, target: Path) -> None:
    logger.info("downloading %s", file.url)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    with urllib.request.urlopen(file.url, timeout=60) as response, partial.open("wb") as out:
        source = gzip.GzipFile(fileobj=response) if file.url.endswith(".gz") else response
        shutil.copyfileobj(source, out)
    _check(partial, file)
    partial.replace(target)
