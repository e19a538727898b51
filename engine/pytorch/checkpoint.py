"""Loads and saves the weights of model folders in PyTorch; `engine.models.folder` says what else a folder holds."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from engine.errors import InputError, first_line
from engine.models.checksums import write_checksums
from engine.models.folder import (
    COMPILED,
    CONTROLLER,
    GATES,
    INT8,
    POINTS,
    ModelFolder,
    errors_name,
    optional_file,
    read_folder,
)
from engine.pruning.controllers.mlp import Network
from engine.pytorch.encoders import ENCODERS, encoder_class, encoder_from_huggingface
from engine.pytorch.gated import GatedModel
from engine.pytorch.tokenizer import load_tokenizer

logger = logging.getLogger(__name__)

CONFIG, MODEL = "config.json", "model.safetensors"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spm.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
# Part of a library's long error message → a short cause to show instead.
CAUSES = {
    "ignore_mismatched_sizes": "its weights have other sizes than its config.json says",
    "Weights only load failed": "a .bin file holds more than tensors",
    "to at least v2.6": "a .bin file needs torch 2.6 or newer",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Weights(ModelFolder):
    """A model folder with its weights, in float32 on the CPU, and its tokenizer."""

    model: GatedModel
    tokenizer: PreTrainedTokenizerBase


def load_weights(source: str | Path | None = None, labels: str | Path | Sequence[str] | None = None) -> Weights:
    """Loads a model from a folder or a hub id, in float32 on the CPU; see `read_folder` for the arguments.

    Raises:
        InputError: if files are missing or damaged, or the architecture or label scheme is not supported.
    """
    return weights_of(read_folder(source, labels))


@torch.inference_mode(False)  # inside it, parameters would not track their versions
def weights_of(folder: ModelFolder) -> Weights:
    """Loads the weights of a model folder, in float32 on the CPU; see `load_weights`."""
    with errors_name(folder.source, folder.path):
        huggingface = load_huggingface(folder.path)
        encoder = encoder_from_huggingface(huggingface)
        if encoder.num_layers < 1:
            raise InputError(f"expected an encoder with layers in {folder.source!r}, got none; restore config.json")
        tokenizer = load_tokenizer(folder.path)
        entries = 1 + max(tokenizer.get_vocab().values())
        if entries > huggingface.config.vocab_size:
            raise InputError(
                f"expected a tokenizer of at most {huggingface.config.vocab_size} entries with the model "
                f"{folder.source!r}, got {entries}; restore its files"
            )
        gates = optional_file(folder.path, GATES)
        model = GatedModel(encoder, folder.labels, gates=gates is not None)
        _load_heads(model, huggingface.get_submodule("classifier").state_dict(), gates, folder.label_order)
        return Weights(**vars(folder), model=model.eval(), tokenizer=tokenizer)


def _load_heads(
    model: GatedModel, classifier: Mapping[str, torch.Tensor], gates: Path | None, order: Sequence[int]
) -> None:
    """Loads the label heads of all layers; ``order`` holds the checkpoint's index of each of the model's labels."""
    state = {f"{model.encoder.num_layers}.{kind}": value for kind, value in classifier.items()}
    try:
        if gates is not None:
            heads = load_file(gates)
            if known := heads.keys() & state.keys():
                raise ValueError(f"the classifier's {sorted(known)}, too")
            state |= heads
        if any(len(value) != len(order) for value in state.values()):
            raise ValueError("heads for other labels")
        model.heads.load_state_dict({name: value.float()[list(order)] for name, value in state.items()})
    except Exception as error:  # the library raises its own types
        cause = " ".join(str(error).split())
        raise InputError(
            f"expected label heads for {len(order)} labels and hidden size {model.encoder.hidden_size} in {gates}, "
            f"got {cause}; restore the file, or make the gates again"
        ) from error


def weights_digest(model: GatedModel, network: Network | None) -> str:
    """SHA-256 of all weights; reports show its first digits."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    if network is not None:
        digest.update(network.to_bytes())
    return digest.hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Meanwhile transformers shows neither progress nor a table of the weights that are missing or not used."""
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


@quiet()
def load_huggingface(folder: Path) -> PreTrainedModel:
    """Loads the plain Hugging Face model of a folder, float32, in evaluation mode, or raises an `InputError`."""
    if sys.flags.optimize > 1:
        raise InputError("expected Python with docstrings, which transformers needs, got option -OO; use -O")
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        encoder_class(config)
        if config.architectures and "ForTokenClassification" not in str(config.architectures):
            raise InputError(
                f"expected a checkpoint for token classification in {str(folder)!r}, got {config.architectures}; "
                "choose one that was fine-tuned for it, or correct architectures in its config.json"
            )
        model, info = AutoModelForTokenClassification.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
        )
        if info["missing_keys"]:
            raise InputError(
                f"expected all weights in {str(folder)!r}, got none for {sorted(info['missing_keys'])[:3]}; "
                "choose a checkpoint that was fine-tuned for token classification"
            )
    except InputError:
        raise
    except Exception as error:  # the libraries below raise many types; all of them mean that the model is unusable
        known = (cause for sign, cause in CAUSES.items() if sign in str(error))
        raise InputError(
            f"expected a Hugging Face token-classification model, got {str(folder)!r}, which cannot be loaded: "
            f"{next(known, first_line(error))}; check the path, or restore the folder"
        ) from error
    if unused := _unused_layers(config, info["unexpected_keys"]):
        logger.warning("layers %s of %s are not used: its config.json has %d", unused, folder, config.num_hidden_layers)
    return model.eval()


def _unused_layers(config: PretrainedConfig, names: Collection[str]) -> list[int]:
    """The numbers of the layers to which weights that a model did not take belong."""
    family = ENCODERS[config.model_type]
    layers = f"{family.prefix}.{family.layer_path}."
    return sorted({1 + int(name.removeprefix(layers).partition(".")[0]) for name in names if name.startswith(layers)})


def save_weights(folder: str | Path, model: GatedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Writes a model folder in half precision (without model card and operating points) and its checksums.

    A model without gates is a plain checkpoint. Networks and operating points already there belong to other weights
    and are deleted.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (GATES, CONTROLLER, POINTS, INT8, COMPILED):
        (folder / name).unlink(missing_ok=True)
    last = str(model.encoder.num_layers)
    head = model.heads[last].state_dict()
    classifier = {f"classifier.{kind}": value.half().contiguous() for kind, value in head.items()}
    state = {name: value.half().contiguous() for name, value in model.encoder.huggingface_state().items()}
    save_file(state | classifier, folder / "model.safetensors", metadata={"format": "pt"})
    if model.has_gates:
        heads = {name: value.half().contiguous() for name, value in model.heads.state_dict().items()}
        save_file({name: value for name, value in heads.items() if not name.startswith(f"{last}.")}, folder / GATES)
    config = model.encoder.config
    config.id2label = dict(enumerate(model.labels.names))
    config.label2id = {name: index for index, name in enumerate(model.labels.names)}
    config.architectures = [model.encoder.architecture]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_checksums(folder)


def copy_checkpoint(weights: Weights, folder: Path) -> None:
    """Copies the files that loading a checkpoint needs to a folder, byte for byte.

    Weights in another format than ``model.safetensors`` are converted.
    """
    found = {name: optional_file(weights.path, name) for name in (CONFIG, MODEL, *TOKENIZER)}
    if not found[MODEL]:
        load_huggingface(weights.path).save_pretrained(folder)  # the configuration, too, which is replaced below
    for name, file in found.items():
        if file:
            shutil.copyfile(file, folder / name)
