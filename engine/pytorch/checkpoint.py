"""Loads and saves models in PyTorch; also weights in ``.bin`` and tokenizers without a ``tokenizer.json``."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils import logging as transformers_logging

from engine.errors import InputError, first_line
from engine.models.families import family_of
from engine.models.folder import CONFIG, GATES, NETWORKS, POINTS, ModelFolder, errors_name, read_folder
from engine.models.tensors import digest_of
from engine.models.tokenizer import TOKENIZER
from engine.pytorch.model import Encoder, GatedModel

logger = logging.getLogger(__name__)

MODEL = "model.safetensors"
# Part of a library's long error message → a short cause to show instead.
CAUSES = {
    "ignore_mismatched_sizes": "its weights have other sizes than its config.json says",
    "Weights only load failed": "a .bin file holds more than tensors",
    "to at least v2.6": "a .bin file needs torch 2.6 or newer",
}


@dataclass(frozen=True, eq=False)
class Weights:
    """A model in float32 on the CPU, its tokenizer and its folder."""

    folder: ModelFolder
    model: GatedModel
    tokenizer: PreTrainedTokenizerBase


def load_weights(
    source: ModelFolder | str | Path | None = None, labels: str | Path | Sequence[str] | None = None
) -> Weights:
    """Loads a model from a folder or a hub id, in float32 on the CPU; see `read_folder` for the arguments.

    Raises:
        InputError: if files are missing or damaged, or the architecture or label scheme is not supported.
    """
    folder = source if isinstance(source, ModelFolder) else read_folder(source, labels)
    with errors_name(folder.source, folder.path), torch.inference_mode(False):
        huggingface = load_huggingface(folder.path)
        classifier = huggingface.get_submodule("classifier").state_dict()
        model = GatedModel(Encoder(huggingface), folder.labels, gates=folder.has_gates)
        _load_heads(model, classifier, folder.path / GATES if folder.has_gates else None, folder.label_order)
        return Weights(folder, model.eval(), load_tokenizer(folder.path))


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
        family_of(config.to_dict())
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
    if unused := family_of(config.to_dict()).unused_layers(info["unexpected_keys"]):
        logger.warning("layers %s of %s are not used: its config.json has %d", unused, folder, config.num_hidden_layers)
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
    save_file(state, folder / MODEL, metadata={"format": "pt"})
    if model.has_gates:
        heads = {name: _half(value) for name, value in model.heads.state_dict().items()}
        gates = {name: value for name, value in heads.items() if not name.startswith(f"{last}.")}
        save_file(gates, folder / GATES, metadata={"weights": digest_of([folder / MODEL])})
    config = encoder.config
    config.id2label = dict(enumerate(model.labels.names))
    config.label2id = {name: index for index, name in enumerate(model.labels.names)}
    config.architectures = [encoder.family.architecture]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _half(value: torch.Tensor) -> torch.Tensor:
    return value.half().contiguous() if value.is_floating_point() else value.contiguous()


def copy_checkpoint(weights: Weights, folder: Path) -> None:
    """Copies the files that loading a checkpoint needs to a folder, byte for byte.

    Weights in another format than ``model.safetensors`` are converted.
    """
    source = weights.folder.path
    if not (source / MODEL).is_file():
        load_huggingface(source).save_pretrained(folder)  # the configuration, too, which is replaced below
    for name in (CONFIG, MODEL, *TOKENIZER):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)


def shorten(config: PretrainedConfig, layers: int) -> None:
    """Cuts a configuration of a supported family to its first ``layers``."""
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def read_bin(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a ``.bin`` file of PyTorch's, float32; raises an `InputError` if it holds anything else."""
    try:
        state: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return {name: value.float().numpy() for name, value in state.items() if value.is_floating_point()}
    except Exception as error:  # the library raises its own types
        known = (cause for sign, cause in CAUSES.items() if sign in str(error))
        raise InputError(
            f"expected weights in {path}, got {next(known, first_line(error))}; save them as model.safetensors"
        ) from error


def load_tokenizer(source: str | Path) -> PreTrainedTokenizerBase:
    """Loads the tokenizer of a checkpoint, cased if its vocabulary is cased.

    Folders like BioBERT's hold a cased ``vocab.txt`` but no case setting, and the library lower-cases by default;
    capitals in ordinary vocabulary entries override that. A stored ``do_lower_case`` always wins, because the
    checkpoint was trained with it.

    Raises:
        InputError: if there is no tokenizer, or none that the tokenizers library can run.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        # Without a vocabulary the library makes a tokenizer of special tokens and almost nothing else.
        if set(tokenizer("a", add_special_tokens=False).input_ids) <= set(tokenizer.all_special_ids):
            raise ValueError("no vocabulary")
    except Exception as error:  # the library raises many types, which all mean that there is no usable tokenizer
        raise InputError(
            f"expected a tokenizer with the model {str(source)!r}, got none: {first_line(error)}; restore its files"
        ) from error
    if getattr(tokenizer, "do_lower_case", False) and "do_lower_case" not in get_tokenizer_config(source):
        ordinary = tokenizer.get_vocab().keys() - tokenizer.get_added_vocab().keys()
        if any(re.fullmatch(r"(##)?[A-Z][A-Za-z]*", entry) for entry in ordinary):
            tokenizer = AutoTokenizer.from_pretrained(source, do_lower_case=False, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise InputError(
            f"expected a fast tokenizer with the model {str(source)!r}, got {type(tokenizer).__name__}; "
            "add a tokenizer.json to its files, or choose another checkpoint"
        )
    return tokenizer


def slow_backend(source: Path) -> tuple[str, tuple[int, int, int]]:
    """The tokenizer of a folder without ``tokenizer.json``, as the tokenizers library writes it, and its special ids.

    These are the ids of the begin (CLS), end (SEP) and unknown tokens; raises an `InputError` if one is missing.
    """
    tokenizer = load_tokenizer(source)
    ids = (
        _token_id(tokenizer, "cls_token", "bos_token"),
        _token_id(tokenizer, "sep_token", "eos_token"),
        _token_id(tokenizer, "unk_token"),
    )
    return tokenizer.backend_tokenizer.to_str(), ids


def _token_id(tokenizer: PreTrainedTokenizerBase, *names: str) -> int:
    for name in names:
        if (found := getattr(tokenizer, f"{name}_id")) is not None:
            return int(found)
    raise InputError(
        f"expected a tokenizer with a {' or '.join(names)}, got {type(tokenizer).__name__}, which has none; "
        "set it in tokenizer_config.json"
    )
