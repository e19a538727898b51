"""Averages the weights of models trained from one another: ``python -m engine.training.average``.

Models fine-tuned from the same weights with different seeds lie in one basin; the mean of their weights is a single
model, as fast as each of them, that often tags better than any of them (a model soup: Wortsman et al. 2022, ICML).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from engine.checkpoint import Weights, load_weights, save_weights
from engine.command import as_command
from engine.errors import InputError
from engine.runs import check_new


@torch.no_grad()
def average(models: Sequence[Weights]) -> Weights:
    """Returns the first model with the mean of all models' weights."""
    first = models[0]
    states = [weights.model.state_dict() for weights in models]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    for weights, own in zip(models, shapes, strict=True):
        if own != shapes[0] or weights.model.labels.names != first.model.labels.names:
            raise InputError(
                f"expected models of the same shape with the same labels, got {first.source!r} and {weights.source!r}; "
                "average only models trained from the same weights"
            )
    first.model.load_state_dict({name: torch.stack([s[name] for s in states]).mean(0) for name in states[0]})
    return first


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.average", description=__doc__)
    parser.add_argument("models", nargs="+", help="model folders")
    parser.add_argument("--out", required=True, type=Path, help="new folder for the mean; it has no operating points")
    arguments = parser.parse_args(argv)
    check_new(arguments.out)
    mean = average([load_weights(source) for source in arguments.models])
    save_weights(arguments.out, mean.model, mean.tokenizer)
    print(f"the mean of {len(arguments.models)} models is in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
