"""Counts label transitions for the decoder of a model: ``python -m engine.training.decoder --model FOLDER``.

Writes ``decoding.json``: transitions of annotated training texts, and whether short forms are labelled as their long
forms, which is decided by F1 on a development corpus.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path

from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_options, config_of
from engine.corpora import Corpus
from engine.errors import InputError
from engine.loading import load_engine
from engine.models.decoder_file import DECODING, write_decoder
from engine.models.folder import POINTS, model_folder
from engine.pruning.strategy import Strategy
from engine.settings import setting
from engine.text.decoding import Decoder, count_transitions
from engine.text.labels import LabelSet
from engine.text.scoring import Counts
from engine.text.words import split_words
from engine.training.corpora import held_out_corpora, parse_corpora
from engine.training.trials import counts_on_gold

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Settings of ``decoder``."""

    model: str = setting(MISSING, "model folder")
    corpus: tuple[str, ...] = setting(MISSING, "annotated training texts, as in finetune", separator=" ")
    dev_corpus: tuple[str, ...] = setting(MISSING, "annotated texts that choose abbreviations", separator=" ")
    data_dir: str = setting("", "folder searched first for named corpora")


def fit_decoder(labels: LabelSet, corpora: Sequence[Corpus]) -> tuple[Decoder, list[str]]:
    """A decoder with the transitions, if any, of the corpora that annotate all types, and the titles of these."""
    complete = [corpus for corpus in corpora if set(labels.types) <= set(corpus.types)]
    documents = [(split_words(each.text), each.entities) for corpus in complete for each in corpus.documents]
    sequences = [labels.encode(words, entities) for words, entities in documents if words]
    transitions = count_transitions(labels, sequences) if sequences else None
    return Decoder(labels, transitions, abbreviations=False), [corpus.title for corpus in complete]


def choose_abbreviations(folder: str | Path, corpus: Corpus) -> bool:
    """Whether labelling short forms as their long forms raises the F1 of ``dense`` on a corpus."""
    scores = []
    for abbreviations in (False, True):
        engine = load_engine(folder, "float32", abbreviations=abbreviations)
        counts = counts_on_gold(engine, corpus, Strategy())
        scores.append(Counts.total(counts[type_] for type_ in corpus.types if type_ in engine.labels.types).f1)
    logger.info("F1 on %s: %.4f; with abbreviations %.4f.", corpus.title, *scores)
    return scores[1] > scores[0]


@as_command
def main(argv: list[str] | None) -> int:
    parser = new_parser("engine.training.decoder", __doc__)
    add_options(parser, DecoderConfig)
    config = config_of(DecoderConfig, parser.parse_args(argv))
    folder = model_folder(config.model)
    labels = load_engine(folder, "float32").labels
    dev = held_out_corpora(config.dev_corpus)
    if len(dev) != 1:
        raise InputError("Name one corpus after --dev-corpus.")
    decoder, counted = fit_decoder(labels, [corpus.load(config.data_dir) for corpus in parse_corpora(config.corpus)])
    if decoder.transitions is None:
        raise InputError(f"No corpus annotates all of {', '.join(labels.types)}, so no transitions can be counted.")
    dev_corpus = dev[0].load(config.data_dir)
    if (folder / POINTS).is_file():  # those of the decoder before no longer hold
        (folder / POINTS).unlink()
        say(f"{POINTS} belonged to the decoder before and is removed; bioner calibrate makes it again.")
    write_decoder(folder, decoder, counted)
    decoder.abbreviations = choose_abbreviations(folder, dev_corpus)
    write_decoder(folder, decoder, counted)
    say(f"The decoder is in {folder / DECODING}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
