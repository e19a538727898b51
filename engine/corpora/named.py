"""The named corpora: their files, splits and entity types, and where else a document occurs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A file of a corpus, in PubTator's format."""

    name: str
    sha256: str  # of its unpacked content
    url: str  # where it can be downloaded, perhaps packed with gzip


@dataclass(frozen=True)
class Part:
    """Documents ``[first, end)`` of a file, only those that also occur in a certain place."""

    file: File
    first: int = 0
    end: int | None = None
    occurring: str | None = None  # a value of `occurrences`, "" for no other place; None for all documents


@dataclass(frozen=True)
class NamedCorpus:
    """A corpus whose files are known. Mentions of other types than ``types`` are left out."""

    types: tuple[str, ...]
    splits: Mapping[str, tuple[Part, ...]]
    renamed: Mapping[str, str] = field(default_factory=dict)  # the corpus's own type names → ours
    hub: tuple[str, str] | None = None  # its id on the Hugging Face hub, and what it is called there
    skip_bad: bool = False  # a file is known to have broken documents, which are left out with a warning


@cache
def occurrences() -> dict[str, str]:
    """Id → where else a document occurs: in which test, in ``BC5CDR calib``, ``BioRED dev``, or a corpus that teaches.

    Ids are PMIDs, so one list serves all corpora. Documents that occur only once are not in it.
    """
    lines = Path(__file__).with_name("occurrences.tsv").read_text("utf-8").splitlines()[1:]
    return dict(tuple(line.split("\t")) for line in lines)  # type: ignore[misc]  # two columns


_BRAN = "https://raw.githubusercontent.com/patverga/bran/32378da8ac339393d9faa2ff2d50ccb3b379e9a2/data/cdr"
_NCBI = "https://raw.githubusercontent.com/spyysalo/ncbi-disease/c96e2e2178ad74bb3e226812fc48db6ea84dcf7a/original-data"
_AIONER = "https://raw.githubusercontent.com/ncbi/AIONER/b8fa941dc8f49e1c99756832da0c61e9c58dcef8/data/pubtator"


def _cdr(part: str, sha256: str) -> File:
    name = f"CDR_{part}Set.PubTator.txt"
    return File(name, sha256, f"{_BRAN}/{name}.gz")


def _ncbi(part: str, folder: str, sha256: str) -> File:
    name = f"NCBI{part}set_corpus.txt"
    return File(name, sha256, f"{_NCBI}/{folder}/{name}")


def _aioner(name: str, sha256: str) -> File:
    return File(f"{name}.PubTator", sha256, f"{_AIONER}/{name}.PubTator")


_CDR_TRAIN = _cdr("Training", "7afcec134e3d4871e74b0398d92850d3c9ac94c0bdc780003f2d60184c012bd8")
_CDR_DEV = _cdr("Development", "9e18d8e700168887a7919e62f67ac2ce2357e3f409a48ee992906abdd80fe3e5")
_CDR_TEST = _cdr("Test", "a3c48d5f35bdfce20c2371778abedc9fd24d1da092207072e5181ad53c8d0e2f")
_NCBI_TRAIN = _ncbi("train", "train", "f311381b28a6d0f641f57f4a963bb83619c2bdec5cd9caabb1381f894d5db817")
_NCBI_DEV = _ncbi("develop", "devel", "02db559974624ae9cbe6cd95d64d953e6926bb63afb6b25b63e53bd8b41a4b55")
_NCBI_TEST = _ncbi("test", "test", "61c8050bf6979ef7b943ec1158dfc03b651ea3367d4c37356f9de4841e85c9a3")
_BIORED = _aioner("BioRED_TrainDev", "c509b83786ff7a82119d3bce6e28b7508b76decb99c6cad45d6d3dde656138b0")
_BIORED_TEST = _aioner("BioRED_Test", "a32f5a56ab7fdf66a435da69660440251ca2dacc288276abcc3d25f9f1c10ea0")

NAMED = {
    "bc5cdr": NamedCorpus(
        types=("Chemical", "Disease"),
        hub=("bigbio/bc5cdr", "BC5CDR"),
        splits={
            "train": (Part(_CDR_TRAIN),),
            "dev": (Part(_CDR_DEV),),
            "test": (Part(_CDR_TEST),),
            "fit": (Part(_CDR_TRAIN), Part(_CDR_DEV, end=300)),
            "calib": (Part(_CDR_DEV, 300),),  # no shipped weight was fitted to these documents
        },
    ),
    "ncbi-disease": NamedCorpus(
        types=("Disease",),
        hub=("bigbio/ncbi_disease", "NCBI-disease"),
        splits={
            "train": (Part(_NCBI_TRAIN),),
            "dev": (Part(_NCBI_DEV),),
            "test": (Part(_NCBI_TEST),),
        },
        renamed=dict.fromkeys(("SpecificDisease", "DiseaseClass", "Modifier", "CompositeMention"), "Disease"),
        skip_bad=True,  # one document occurs twice
    ),
    "biored": NamedCorpus(
        types=("Chemical", "Disease", "Gene", "Species", "Variant", "CellLine"),
        hub=("bigbio/biored", "BioRED"),
        splits={
            "fit": (Part(_BIORED, occurring=""),),
            "dev": (Part(_BIORED, occurring="BioRED dev"),),
            "test": (Part(_BIORED_TEST),),
        },
    ),
}
