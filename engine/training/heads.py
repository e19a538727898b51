"""A model to train: an encoder with new label heads, or with those of a checkpoint, and heads that are fitted."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerBase

from engine.cli.progress import Progress
from engine.errors import InputError, expecting
from engine.models.folder import GATES, local_folder, read_folder
from engine.models.tokenizer import load_tokenizer, word_pieces
from engine.pytorch.checkpoint import load_weights, quiet, read_configuration
from engine.pytorch.forward import KeepAll, forward
from engine.pytorch.model import Encoder, GatedModel
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces
from engine.training.examples import Example, pack

RIDGE, SMOOTHING = 1e-3, 1e-3  # relative to the mean square of hidden states; added to probabilities


class Learner(NamedTuple):
    """A model to train, its tokenizer, and what cuts texts for it."""

    model: GatedModel
    tokenizer: PreTrainedTokenizerBase
    pieces: WordPieces


def new_learner(backbone: str, labels: LabelSet, *, layers: int | None = None, plain: bool = False) -> Learner:
    """Returns a model to train, with a label head after every layer or, if ``plain``, after the last one alone.

    The heads are those of a model folder with gates. A pretrained encoder gets new ones, and so does, if ``plain``, a
    folder with gates for other labels.

    Args:
        backbone: folder or hub id.
        labels: those of new heads; a folder with gates may have them in another order.
        layers: number of layers, the first ones of the backbone; ``None`` for all.

    Raises:
        InputError: if the encoder cannot be loaded, or a folder with gates has other labels.
    """
    folder = local_folder(backbone)
    stored = read_folder(backbone).labels if (folder / GATES).is_file() else None
    if stored and set(stored.names) == set(labels.names):
        model = load_weights(backbone, layers=layers).model
        if plain:
            model = with_heads(model, gates=False)
    elif stored and not plain:
        raise InputError(
            f"expected a model with the labels {list(labels.names)}, got {list(stored.names)} in {backbone}; choose "
            "another"
        )
    else:
        with quiet(), expecting("a Hugging Face encoder", "check the path or hub id", f"{backbone!r}: "):
            config = read_configuration(backbone, layers)
            pretrained = AutoModelForTokenClassification.from_pretrained(
                backbone, config=config, dtype=torch.float32, trust_remote_code=False
            )
        model = GatedModel(Encoder(pretrained), labels, gates=not plain)
        for name, parameter in model.heads.named_parameters():
            nn.init.normal_(parameter, std=0.0 if name.endswith("bias") else pretrained.config.initializer_range)
    pieces = word_pieces(folder, model.encoder.max_rows, model.encoder.config.vocab_size)
    return Learner(model, load_tokenizer(backbone), pieces)


def with_heads(given: GatedModel, *, gates: bool) -> GatedModel:
    """Returns the model with fresh heads after all layers but the last, or with none there."""
    last = str(given.encoder.num_layers)
    model = GatedModel(given.encoder, given.labels, gates=gates)
    model.heads[last] = given.heads[last]
    return model


@torch.no_grad()
def fit_heads(model: GatedModel, batches: Sequence[Sequence[Example]], until: float) -> None:
    """Fits each head but the last to the logarithms of targets, by ridge regression on the dense pass's hidden states.

    Training then starts much closer to its goal. Batches after the time ``until``, by `time.monotonic`, are not used.
    """
    model.eval()
    gates, width = range(1, model.encoder.num_layers), model.encoder.hidden_size + 1
    device, inputs = next(model.parameters()).device, dict[int, Tensor]()
    grams = {gate: torch.zeros(width, width, dtype=torch.float64, device=device) for gate in gates}
    products = {gate: torch.zeros(width, len(model.labels), dtype=torch.float64, device=device) for gate in gates}
    hooks = [
        model.heads[str(gate)].register_forward_pre_hook(lambda _, given, gate=gate: inputs.update({gate: given[0]}))
        for gate in gates
    ]
    with Progress("Fit gate heads to the checkpoint's labels", len(batches)) as progress:
        for batch in batches:
            packed = pack(batch, device)
            forward(model, packed.batch, gates, KeepAll())
            logits = (packed.targets + SMOOTHING).log().double()
            for gate, states in inputs.items():
                states = F.pad(states.double(), (0, 1), value=1.0)  # the last weight is the bias
                grams[gate] += states.T @ states
                products[gate] += states.T @ (logits - logits.mean(1, keepdim=True))
            progress.advance()
            if time.monotonic() > until:
                break
    for hook in hooks:
        hook.remove()
    for gate, gram in grams.items():
        solved = torch.linalg.solve(gram + RIDGE * gram.diagonal().mean() * torch.eye(width).to(gram), products[gate])
        head = model.heads[str(gate)]
        assert isinstance(head, nn.Linear)
        head.weight.copy_(solved[:-1].T)
        head.bias.copy_(solved[-1])
