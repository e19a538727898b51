"""Models to train, with new label heads or those of a checkpoint, and fitting of heads."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification, PreTrainedTokenizerBase

from engine.cli.progress import progress
from engine.errors import explained
from engine.models.tokenizer import load_tokenizer
from engine.pruning.policies import KeepAll
from engine.pytorch.checkpoint import load_weights, quiet, read_configuration
from engine.pytorch.forward import forward
from engine.pytorch.model import Encoder, GatedModel
from engine.text.windows import WordPieces
from engine.training.examples import Example, pack
from engine.training.options import Backbone

RIDGE, SMOOTHING = 1e-3, 1e-3  # relative to the mean square of hidden states; added to probabilities


class TrainableModel(NamedTuple):
    """A model, its tokenizer, and its word pieces."""

    model: GatedModel
    tokenizer: PreTrainedTokenizerBase
    pieces: WordPieces


def load_trainable(backbone: Backbone) -> TrainableModel:
    """Loads the model to train; raises an `InputError` if the encoder cannot be loaded."""
    if backbone.has_heads:
        model = load_weights(backbone.source, layers=backbone.layers).model
        if backbone.plain:
            model = with_heads(model, gates=False)
    else:
        with quiet(), explained(f"Cannot load {backbone.source!r} as an encoder", "Check the path or hub id"):
            config = read_configuration(backbone.source, backbone.layers)
            pretrained = AutoModelForTokenClassification.from_pretrained(
                backbone.source, config=config, dtype=torch.float32, trust_remote_code=False
            )
        model = GatedModel(Encoder(pretrained), backbone.labels, gates=not backbone.plain)
        for name, parameter in model.heads.named_parameters():
            nn.init.normal_(parameter, std=0.0 if name.endswith("bias") else pretrained.config.initializer_range)
    return TrainableModel(model, load_tokenizer(backbone.source), backbone.pieces)


def with_heads(model: GatedModel, *, gates: bool) -> GatedModel:
    """Returns a model with the same last head, and new gate heads or none."""
    last, new = str(model.encoder.num_layers), GatedModel(model.encoder, model.labels, gates=gates)
    new.heads[last] = model.heads[last]
    return new


@torch.no_grad()
def fit_heads(model: GatedModel, batches: Sequence[Sequence[Example]]) -> None:
    """Initialises gate heads by ridge regression of the targets' logarithms on the dense pass's hidden states."""
    model.eval()
    gates, width = range(1, model.encoder.num_layers), model.encoder.hidden_size + 1
    device, inputs = next(model.parameters()).device, dict[int, Tensor]()
    grams = {gate: torch.zeros(width, width, dtype=torch.float64, device=device) for gate in gates}
    products = {gate: torch.zeros(width, len(model.labels), dtype=torch.float64, device=device) for gate in gates}
    hooks = [
        model.heads[str(gate)].register_forward_pre_hook(lambda _, states, gate=gate: inputs.update({gate: states[0]}))
        for gate in gates
    ]
    for batch in progress(batches, "Fit gate heads to the checkpoint's labels"):
        packed, targets, _ = pack(batch, device)
        forward(model, packed, gates, KeepAll())
        logits = (targets + SMOOTHING).log().double()
        for gate, states in inputs.items():
            states = F.pad(states.double(), (0, 1), value=1.0)  # the last weight is the bias
            grams[gate] += states.T @ states
            products[gate] += states.T @ (logits - logits.mean(1, keepdim=True))
    for hook in hooks:
        hook.remove()
    for gate, gram in grams.items():
        solved = torch.linalg.solve(gram + RIDGE * gram.diagonal().mean() * torch.eye(width).to(gram), products[gate])
        head = model.heads[str(gate)]
        assert isinstance(head, nn.Linear)
        head.weight.copy_(solved[:-1].T)
        head.bias.copy_(solved[-1])
