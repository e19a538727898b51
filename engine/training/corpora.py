"""Corpora for training, as command lines name them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.corpora import Corpus, load_corpus, only_types, parse_name
from engine.corpora.named import NAMED
from engine.errors import InputError
from engine.text.words import split_words

TYPES, PER_EPOCH = "types", "per-epoch"  # options that may follow the name of a corpus


@dataclass(frozen=True)
class TrainingCorpus:
    """A corpus named on a command line.

    ``types``: the entity types that it annotates completely; ``None`` for all of its types.
    ``per_epoch``: maximum number of windows drawn from it in each epoch; ``None`` for all.
    """

    name: str
    split: str = ""
    types: tuple[str, ...] | None = None
    per_epoch: int | None = None

    def load(self, data_dir: str = "") -> Corpus:
        """Loads the corpus, by default its split ``fit``, with mentions of its types only."""
        corpus = load_corpus(self.name, self.split or "fit", data_dir or None)
        if not any(split_words(document.text) for document in corpus.documents):
            raise InputError(f"{corpus.title} has no document with words. Choose another split.")
        if self.types is None:
            return corpus
        if unknown := sorted(set(self.types) - set(corpus.types)):
            known = ", ".join(corpus.types)
            raise InputError(f"{corpus.name} has no {', '.join(unknown)}, only {known}. Change its {TYPES}=…")
        documents = tuple(only_types(document, self.types) for document in corpus.documents)
        return replace(corpus, types=self.types, documents=documents)


def parse_corpora(arguments: Sequence[str]) -> list[TrainingCorpus]:
    """Parses names of corpora and the options that follow them.

    For example ``["bc5cdr:fit", "genes.txt", "types=Gene,Variant", "bioid", "per-epoch=1500"]``: a name may end with a
    colon and a split, and commas separate names unless a file has the whole name. Raises an `InputError` otherwise.
    """
    corpora: list[TrainingCorpus] = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in (TYPES, PER_EPOCH):
            names = [argument] if Path(argument).is_file() else argument.split(",")
            corpora += [TrainingCorpus(*parse_name(name)) for name in names]
        elif not corpora:
            raise InputError(f"{argument!r} follows no corpus. Put it after the name of one.")
        elif key == TYPES and all(types := tuple(dict.fromkeys(value.split(",")))):
            corpora[-1] = replace(corpora[-1], types=types)
        elif key == PER_EPOCH and value.isdecimal() and int(value):
            corpora[-1] = replace(corpora[-1], per_epoch=int(value))
        else:
            raise InputError(f"{argument!r} is neither {TYPES}=TYPE,TYPE nor {PER_EPOCH}=NUMBER.")
    return corpora


def held_out_corpora(arguments: Sequence[str]) -> list[TrainingCorpus]:
    """Parses corpora that are not trained on; their split is ``calib`` or ``dev`` unless another one is named."""
    corpora = parse_corpora(arguments)
    if any(corpus.per_epoch for corpus in corpora):
        raise InputError(f"{PER_EPOCH}=NUMBER applies only to training corpora. Leave it out here.")
    with_calib = {name for name, corpus in NAMED.items() if "calib" in corpus.splits}
    return [replace(each, split=each.split or ("calib" if each.name in with_calib else "dev")) for each in corpora]
