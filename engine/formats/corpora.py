"""The named corpora: entity types, splits and files, which are downloaded if missing and checked by SHA-256."""

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import pooch

from engine.errors import FormatError, InputError, first_line
from engine.formats import read_documents
from engine.formats.checks import OnError
from engine.formats.hub_datasets import PREFIX, read_dataset
from engine.text.documents import Document

logger = logging.getLogger(__name__)

CACHE = Path(pooch.os_cache("bioner-token-pruning"))


@dataclass(frozen=True)
class _File:
    name: str
    sha256: str  # of its unpacked content
    url: str = ""  # where it can be downloaded, if anywhere


@dataclass(frozen=True)
class _NamedCorpus:
    """A corpus whose files are known."""

    types: tuple[str, ...]
    splits: dict[str, list[tuple[_File, int, int | None]]]  # documents [first, end) of files; without end, all others
    renamed: dict[str, str] = field(default_factory=dict)  # the corpus's own type names → ours
    skip_bad: bool = False  # a file is known to have a broken document, which is left out with a warning


_BRAN = "https://raw.githubusercontent.com/patverga/bran/32378da8ac339393d9faa2ff2d50ccb3b379e9a2/data/cdr"
_NCBI = "https://raw.githubusercontent.com/spyysalo/ncbi-disease/c96e2e2178ad74bb3e226812fc48db6ea84dcf7a/original-data"


def _cdr(part: str, sha256: str) -> _File:
    name = f"CDR_{part}Set.PubTator.txt"
    return _File(name, sha256, f"{_BRAN}/{name}.gz")


def _ncbi(part: str, folder: str, sha256: str) -> _File:
    name = f"NCBI{part}set_corpus.txt"
    return _File(name, sha256, f"{_NCBI}/{folder}/{name}")


_CDR_TRAIN = _cdr("Training", "7afcec134e3d4871e74b0398d92850d3c9ac94c0bdc780003f2d60184c012bd8")
_CDR_DEV = _cdr("Development", "9e18d8e700168887a7919e62f67ac2ce2357e3f409a48ee992906abdd80fe3e5")
_CDR_TEST = _cdr("Test", "a3c48d5f35bdfce20c2371778abedc9fd24d1da092207072e5181ad53c8d0e2f")
_NCBI_TRAIN = _ncbi("train", "train", "f311381b28a6d0f641f57f4a963bb83619c2bdec5cd9caabb1381f894d5db817")
_NCBI_DEV = _ncbi("develop", "devel", "02db559974624ae9cbe6cd95d64d953e6926bb63afb6b25b63e53bd8b41a4b55")
_NCBI_TEST = _ncbi("test", "test", "61c8050bf6979ef7b943ec1158dfc03b651ea3367d4c37356f9de4841e85c9a3")
_BIORED = _File("BioRED_TrainDev.PubTator.txt", "fcfc1ea8eb483362dbb8378fe8c13bb95f591076900c8161342fc9d67aec061e")

NAMED = {
    "bc5cdr": _NamedCorpus(
        types=("Chemical", "Disease"),
        splits={
            "train": [(_CDR_TRAIN, 0, None)],
            "dev": [(_CDR_DEV, 0, None)],
            "test": [(_CDR_TEST, 0, None)],
            "fit": [(_CDR_TRAIN, 0, None), (_CDR_DEV, 0, 300)],
            "calib": [(_CDR_DEV, 300, None)],  # no shipped weight was fitted to these documents
        },
    ),
    "ncbi-disease": _NamedCorpus(
        types=("Disease",),
        splits={"train": [(_NCBI_TRAIN, 0, None)], "dev": [(_NCBI_DEV, 0, None)], "test": [(_NCBI_TEST, 0, None)]},
        renamed=dict.fromkeys(("SpecificDisease", "DiseaseClass", "Modifier", "CompositeMention"), "Disease"),
        skip_bad=True,  # one document occurs twice
    ),
    "biored": _NamedCorpus(
        types=("Chemical", "Disease", "Gene", "Species", "Variant", "CellLine"),
        splits={"fit": [(_BIORED, 0, 260)], "dev": [(_BIORED, 260, None)]},
    ),
}


@dataclass(frozen=True)
class Corpus:
    """Documents with gold entities, their entity types, and how many broken documents were skipped."""

    name: str
    split: str
    types: tuple[str, ...]
    documents: tuple[Document, ...]
    skipped: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of texts and gold."""
        digest = hashlib.sha256()
        for document in self.documents:
            digest.update(repr((document.text, [entity.key for entity in document.entities])).encode())
        return digest.hexdigest()


def load_corpus(
    name: str | Path,
    split: str = "test",
    data_dir: str | Path | None = None,
    *,
    skip_bad: bool = False,
    limit: int | None = None,
) -> Corpus:
    """Loads a named corpus (``bc5cdr``, ``ncbi-disease``, ``biored``), Hugging Face dataset, or file in a known format.

    Args:
        name: corpus name, path of a file, or ``hf:ID`` or ``hf:FOLDER`` of a dataset of tokens and tags.
        split: ``bc5cdr`` has train, dev, test, ``fit`` (train and the first 300 documents of dev) and ``calib`` (its
            last 200); ``ncbi-disease`` train, dev, test; ``biored`` ``fit`` (the first 260 documents of the file) and
            dev (the last 60). A dataset has its own splits. Ignored for a file.
        data_dir: folder searched first for a named corpus, before ``$BIONER_DATA``, the cache and a download.
        skip_bad: leave out broken documents with a warning instead of raising.
        limit: read only the first ``limit`` documents.

    Raises an `InputError` if the name or split is unknown, a file is neither found nor downloaded, or a document is
    broken.
    """
    name = str(name)
    named = NAMED.get(name)
    if named:
        if split not in named.splits:
            splits = list(named.splits)
            raise InputError(f"expected one of the splits {splits} of {name}, got {split!r}; choose another")
        skip_bad, read = named.skip_bad, partial(_read_split, name, split, data_dir)
    elif name.startswith(PREFIX):
        read = partial(read_dataset, name.removeprefix(PREFIX), split)
    elif Path(name).is_file():
        read, split = partial(read_documents, name), "all"
    else:
        wanted = f"one of the corpora {sorted(NAMED)}, the path of a file or hf:ID of a dataset"
        raise InputError(f"expected {wanted}, got {name!r}; check the name")
    errors: list[FormatError] = []

    def on_error(error: FormatError) -> None:
        if not skip_bad or error.ends_file:
            raise error
        errors.append(error)
        logger.warning("%s (document left out)", error)

    if named:
        documents, types = tuple(islice(read(on_error), limit)), named.types
    else:  # with or without a limit, the types of a file are those of all its documents
        every = tuple(read(on_error))
        documents, types = every[:limit], tuple(sorted({entity.type for each in every for entity in each.entities}))
    return Corpus(name, split, types, documents, len(errors))


def _read_split(name: str, split: str, data_dir: str | Path | None, on_error: OnError) -> Iterator[Document]:
    corpus = NAMED[name]
    for file, first, end in corpus.splits[split]:
        for document in islice(read_documents(_find_file(name, file, data_dir), on_error), first, end):
            entities = tuple(replace(e, type=corpus.renamed.get(e.type, e.type)) for e in document.entities)
            yield replace(document, entities=entities)


def _find_file(corpus: str, file: _File, data_dir: str | Path | None) -> Path:
    """Returns the path of a corpus file, which it downloads if no folder has it."""
    roots = [root for root in (data_dir, os.environ.get("BIONER_DATA"), CACHE) if root]
    places = [Path(root) / folder / file.name for root in roots for folder in (corpus, "")]
    if path := next((place for place in places if place.is_file()), None):
        if (digest := pooch.file_hash(str(path))) != file.sha256:
            wanted = f"SHA-256 {file.sha256} for {path}"
            raise InputError(f"expected {wanted}, got {digest}; remove the file or fetch it again")
        return path
    problem: Exception | None = None
    if file.url:
        try:
            return Path(pooch.retrieve(file.url, file.sha256, file.name, CACHE / corpus, downloader=_download))
        except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: wrong checksum
            problem = error
    why = f"nor from {file.url} ({first_line(problem)})" if problem else f"and {corpus} has no download address"
    raise InputError(
        f"expected {file.name} of {corpus} in one of {', '.join(map(str, places))}, got none, {why}; "
        "get the file and name its folder with --data-dir or BIONER_DATA"
    ) from problem


def _download(url: str, output: str | Path, _: Any) -> None:
    """Downloads a file and unpacks it, because checksums are those of the unpacked content."""
    content = BytesIO()
    pooch.HTTPDownloader(timeout=60)(url, content, None)
    Path(output).write_bytes(gzip.decompress(content.getvalue()) if url.endswith(".gz") else content.getvalue())
