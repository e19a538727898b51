"""Trains the networks of ``mlp`` or ``mlp-attention`` for a model folder: ``python -m engine.training.controller``.

Unlabelled texts, preferably new to the encoder, run densely and pruned with random settings. At each gate a network
learns from cheap features of the remaining words whether the gate's label of a word or a neighbour will change.
"""

import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_texts
from engine.cli.runs import replacing
from engine.errors import InputError
from engine.formats import read_texts
from engine.models.folder import NETWORKS, model_folder, read_folder
from engine.models.network_file import write_network
from engine.models.points_file import POINTS
from engine.models.tokenizer import word_pieces
from engine.pruning.controllers.mlp import FEATURES, Network
from engine.pruning.gate import OF_ATTENTION
from engine.pruning.strategy_names import RECOVERY
from engine.text.words import words_of
from engine.training.points import store

logger = logging.getLogger(__name__)

MAX_TEXTS = 800  # at most, the last ones


def train_networks(folder: Path, kind: str, names: Sequence[str], texts: Sequence[str]) -> Path:
    """Trains the networks of a controller on the named features; returns the file that holds them."""
    from transformers import set_seed

    from engine.pytorch.checkpoint import load_weights
    from engine.training.networks import collect, fit

    set_seed(0)
    model = load_weights(folder).model
    pieces = word_pieces(folder, model.encoder.max_rows, model.encoder.config.vocab_size)
    windows = [window for text in texts for window in pieces.windows(words_of(text))]
    layers = {}
    for gate, samples in collect(model, windows, names).items():
        changing = 100 * samples.changes.mean()
        logger.info("Gate %d: %d words, of which %.2f%% change their label.", gate, len(samples.changes), changing)
        layers[gate] = fit(samples)
    path = folder / NETWORKS[kind]
    with replacing(path) as fresh:
        write_network(fresh, Network(tuple(names), layers))
    if (folder / POINTS).is_file():  # those of the networks before no longer hold
        store(folder, {kind: {}, kind + RECOVERY: {}})
    return path


@as_command
def main(argv: list[str] | None) -> int:
    parser = new_parser("engine.training.controller", __doc__)
    add = parser.add_argument
    add("--model", required=True, help="model folder with gates; the networks go into it")
    add_texts(parser, "texts in any format; the last 800 are used")
    add("--attention", action="store_true", help="make those of mlp-attention, which also see attention")
    arguments = parser.parse_args(argv)
    folder, kind = model_folder(arguments.model), "mlp-attention" if arguments.attention else "mlp"
    if not read_folder(folder).has_gates:
        raise InputError(f"{str(folder)!r} has no gates. Make them with accelerate.")
    names = [name for name in FEATURES if arguments.attention or name not in OF_ATTENTION]
    texts = read_texts(arguments.texts, lines=arguments.lines)[-MAX_TEXTS:]
    say(f"Train networks on {len(texts)} texts, with the features {', '.join(names)}.")
    path = train_networks(folder, kind, names, texts)
    say(f"The networks are in {path}.")
    say(f"Next: bioner calibrate --model {shlex.quote(str(folder))} --strategies {kind} --texts FILE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
