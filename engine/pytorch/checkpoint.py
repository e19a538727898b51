"""Loads and saves models in PyTorch."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from engine.errors import explained
from engine.models.decoder_file import DECODING
from engine.models.folder import CONFIG, GATES, NETWORKS, ModelFolder, errors_name, read_folder
from engine.models.points_file import POINTS
from engine.models.tensors import SAFETENSORS, digest_of
from engine.models.tokenizer import TOKENIZER, load_tokenizer
from engine.pytorch.model import Encoder, GatedModel


@dataclass(frozen=True, eq=False)
class Weights:
    """A model in float32 on the CPU, its tokenizer and its folder."""

    folder: ModelFolder
    model: GatedModel
    tokenizer: PreTrainedTokenizerBase


def load_weights(
    source: ModelFolder | str | Path | None = None,
    labels: str | Path | Sequence[str] | None = None,
    *,
    layers: int | None = None,
) -> Weights:
    """Loads a model from a folder or a hub id, in float32 on the CPU; for arguments and errors see `read_folder`.

    ``layers`` keeps only the first layers of a folder with gates, each with its label head.
    """
    folder = source if isinstance(source, ModelFolder) else read_folder(source, labels)
    with errors_name(folder.source, folder.path), torch.inference_mode(False):
        heads = folder.heads(folder.tensors())
        model = GatedModel(Encoder(load_huggingface(folder.path, layers)), folder.labels, gates=folder.has_gates)
        for number, head in model.heads.items():
            weight, bias = map(torch.from_numpy, heads[int(number)])
            head.load_state_dict({"weight": weight, "bias": bias})
        return Weights(folder, model.eval(), load_tokenizer(folder.path))


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers from printing progress and a table of missing and unused weights."""
    verbosity, has_bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if has_bars:
            transformers_logging.enable_progress_bar()


def read_configuration(source: str | Path, layers: int | None = None) -> PreTrainedConfig:
    """Reads the library's configuration of an encoder; ``layers`` keeps only the first ones."""
    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    if layers:
        config.num_hidden_layers = layers
        if kinds := getattr(config, "layer_types", None):  # of ModernBERT
            config.layer_types = kinds[:layers]
    return config


@quiet()
def load_huggingface(folder: Path, layers: int | None = None) -> PreTrainedModel:
    """Loads the plain Hugging Face model of a folder, float32, in evaluation mode, or raises an `InputError`.

    ``layers`` keeps only the first ones.
    """
    with explained(f"Cannot load the model in {str(folder)!r}", "Check the path, or restore the folder"):
        config = read_configuration(folder, layers)
        model, info = AutoModelForTokenClassification.from_pretrained(
            folder, config=config, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
        )
        if info["missing_keys"]:
            raise ValueError(f"it has no {', '.join(sorted(info['missing_keys'])[:3])}")
    return model.eval()


def save_weights(folder: str | Path, model: GatedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Writes a model folder in half precision, without model card and operating points.

    A model without gates is a plain checkpoint. Networks and operating points already there belong to other weights
    and are deleted.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (GATES, *NETWORKS.values(), POINTS):
        (folder / name).unlink(missing_ok=True)
    last, encoder = str(model.encoder.num_layers), model.encoder
    classifier = {f"classifier.{kind}": value for kind, value in model.heads[last].state_dict().items()}
    state = {name: _half(value) for name, value in (encoder.huggingface.state_dict() | classifier).items()}
    save_file(state, folder / SAFETENSORS, metadata={"format": "pt"})
    if model.has_gates:
        heads = {name: _half(value) for name, value in model.heads.state_dict().items()}
        gates = {name: value for name, value in heads.items() if not name.startswith(f"{last}.")}
        save_file(gates, folder / GATES, metadata={"weights": digest_of([folder / SAFETENSORS])})
    config = encoder.config
    config.id2label = dict(enumerate(model.labels.names))
    config.label2id = {name: index for index, name in enumerate(model.labels.names)}
    config.architectures = [encoder.family.architecture]
    config.dtype = torch.float16
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _half(value: torch.Tensor) -> torch.Tensor:
    return value.half().contiguous() if value.is_floating_point() else value.contiguous()


def copy_checkpoint(source: Path, folder: Path) -> None:
    """Copies the files that loading a model needs from one folder to another, byte for byte.

    Weights in another format than ``model.safetensors`` are converted.
    """
    if not (source / SAFETENSORS).is_file():
        load_huggingface(source).save_pretrained(folder)  # its configuration is replaced below
    for pattern in (CONFIG, SAFETENSORS, *TOKENIZER, GATES, *NETWORKS.values(), POINTS, DECODING):
        for path in source.glob(pattern):
            shutil.copyfile(path, folder / path.name)
