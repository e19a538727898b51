"""What training learns from: corpora as its commands name them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.corpora import Corpus, load_corpus, only_types
from engine.corpora.hub_datasets import PREFIX
from engine.corpora.named import NAMED
from engine.errors import InputError
from engine.text.words import split_words

TYPES, PER_EPOCH = "types", "per-epoch"  # what may follow the name of a corpus


@dataclass(frozen=True)
class Lesson:
    """A corpus to learn from, as a command names it.

    ``types``: those that it annotates with care, of those in it; ``None`` for all.
    ``per_epoch``: how many of its windows an epoch draws at most; ``None`` for all.
    """

    name: str
    split: str = ""
    types: tuple[str, ...] | None = None
    per_epoch: int | None = None

    def load(self, data_dir: str = "", split: str = "fit") -> Corpus:
        """Loads the corpus, with mentions of its types alone; ``split`` is taken where none is named."""
        corpus = load_corpus(self.name, self.split or split, data_dir or None)
        if not any(split_words(document.text) for document in corpus.documents):
            raise InputError(f"{corpus.title} has no document with words. Choose another split.")
        if self.types is None:
            return corpus
        if unknown := sorted(set(self.types) - set(corpus.types)):
            raise InputError(
                f"{corpus.name} has no {', '.join(unknown)}, only {', '.join(corpus.types)}. Change its {TYPES}=…"
            )
        return replace(
            corpus, types=self.types, documents=tuple(only_types(each, self.types) for each in corpus.documents)
        )


def lessons(given: Sequence[str]) -> list[Lesson]:
    """Reads names of corpora, each perhaps followed by what it teaches and how much of it.

    As in ``["bc5cdr:fit", "genes.txt", "types=Gene,Variant", "bioid", "per-epoch=1500"]``. A name may be followed by a
    colon and a split. Commas join names, too, unless there is a file of the whole name. Raises an `InputError` for
    anything else.
    """
    found: list[Lesson] = []
    for part in given:
        key, equals, value = part.partition("=")
        if not equals or key not in (TYPES, PER_EPOCH):
            found += [Lesson(part)] if Path(part).is_file() else map(_lesson, part.split(","))
        elif not found:
            raise InputError(f"{part!r} follows no corpus. Put it after the name of one.")
        elif key == TYPES and all(types := tuple(dict.fromkeys(value.split(",")))):
            found[-1] = replace(found[-1], types=types)
        elif key == PER_EPOCH and value.isdecimal() and int(value):
            found[-1] = replace(found[-1], per_epoch=int(value))
        else:
            raise InputError(f"{part!r} is neither {TYPES}=TYPE,TYPE nor {PER_EPOCH}=NUMBER.")
    return found


def held_out(given: Sequence[str]) -> list[Lesson]:
    """Lessons of which nothing is learned: of a named corpus ``calib`` or ``dev``, unless another split is named."""
    found = lessons(given)
    if any(lesson.per_epoch for lesson in found):
        raise InputError(f"{PER_EPOCH}=NUMBER is for corpora to learn from. Leave it out here.")
    named = {name for name, corpus in NAMED.items() if "calib" in corpus.splits}
    return [replace(one, split=one.split or ("calib" if one.name in named else "dev")) for one in found]


def _lesson(name: str) -> Lesson:
    prefix = PREFIX if name.startswith(PREFIX) else ""  # it contains a colon
    name, _, split = name.removeprefix(prefix).partition(":")
    return Lesson(prefix + name, split)
