"""Loads and saves model folders: a Hugging Face token-classification checkpoint plus the files that pruning needs.

``config.json``, ``model.safetensors`` and the tokenizer's files are plain Hugging Face. ``gates.safetensors`` holds the
label heads of all layers but the last, ``controller.safetensors`` the networks of ``mlp``, ``operating_points.json``
the strategies' settings, and ``SHA256SUMS`` the checksums of all files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from engine.checksums import Stamps, check_unchanged, stamps_of, verify_checksums, write_checksums
from engine.errors import InputError, first_line
from engine.model.encoders import encoder_class, encoder_from_huggingface
from engine.model.gated import GatedModel
from engine.pruning.controllers.mlp import Network
from engine.pruning.strategy import DROP, Strategy
from engine.pruning.strategy_names import OLD_NAMES, parse
from engine.text.labels import LabelSet, normalised
from engine.text.windows import load_tokenizer

_PACKAGE = Path(__file__).resolve().parent
# A wheel holds the weights inside the package, a checkout beside it.
SHIPPED = (_PACKAGE if (_PACKAGE / "weights").is_dir() else _PACKAGE.parent) / "weights" / "minilm-l6-bc5cdr"
GATES, CONTROLLER, POINTS = "gates.safetensors", "controller.safetensors", "operating_points.json"
INT8 = "int8.safetensors"  # layers in 8 bits
# Files on the hub that no model is loaded from; weights as .bin are if there are no others.
UNUSED = ["*/*", "*.bin", "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.gguf", "*.pt", "*.ckpt"]
# Part of a library's long error message → a short cause to show instead.
CAUSES = {
    "ignore_mismatched_sizes": "its weights have other sizes than its config.json says",
    "Weights only load failed": "a .bin file holds more than tensors",
    "to at least v2.6": "a .bin file needs torch 2.6 or newer",
}


@dataclass(frozen=True, eq=False)
class Weights:
    """A loaded model folder.

    ``source``: the folder or hub id, as given.
    ``folder``: the folder itself; of a hub id, that of the revision in the cache.
    ``points``: strategy → operating point → settings, as stored.
    ``label_order``: the checkpoint's label index of each of our labels.
    ``labels_file``: the file that gives the meaning of its labels, if any.
    ``stamps``: stamps of its files, by which `engine.checksums.check_unchanged` detects changes.
    ``int8``: the file with its layers in 8 bits, if any.
    """

    source: str
    folder: Path
    model: GatedModel
    tokenizer: PreTrainedTokenizerBase
    label_order: tuple[int, ...]
    points: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    network: Network | None = None
    labels_file: str = ""
    stamps: Stamps = field(default_factory=dict)
    int8: Path | None = None


@torch.inference_mode(False)  # inside it, parameters would not track their versions
def load_weights(source: str | Path | None = None, labels: str | Path | Sequence[str] | None = None) -> Weights:
    """Loads a model from a folder or a hub id, in float32 on the CPU; ``None`` is the shipped model.

    Args:
        source: the folder or hub id.
        labels: names of its labels in the order of its logits, or a file for `read_labels`; ``None`` uses its own.

    Raises:
        InputError: if files are missing, damaged or changed during loading, or the architecture or label scheme is not
            supported.
    """
    source = SHIPPED if source is None else source
    if not isinstance(source, str | Path):
        raise InputError(f"expected the folder or hub id of a model, got {source!r}; give its path")
    folder = local_folder(source)
    stamps = stamps_of(folder)
    verify_checksums(folder, needed=(folder / GATES).is_file())
    huggingface = load_huggingface(folder)
    encoder = encoder_from_huggingface(huggingface)
    if encoder.num_layers < 1:
        raise InputError(f"expected an encoder with layers in {str(source)!r}, got none; restore config.json")
    tokenizer = load_tokenizer(folder)
    entries = 1 + max(tokenizer.get_vocab().values())
    if entries > huggingface.config.vocab_size:
        raise InputError(
            f"expected a tokenizer of at most {huggingface.config.vocab_size} entries with the model {str(source)!r}, "
            f"got {entries}; restore its files"
        )
    names = _label_names(huggingface, source, labels)
    label_set = LabelSet.from_names(names)
    order = [names.index(name) for name in label_set.names]
    gates = optional_file(folder, GATES)
    model = GatedModel(encoder, label_set, gates=gates is not None)
    _load_heads(model, huggingface.get_submodule("classifier").state_dict(), gates, order)
    points, network = optional_file(folder, POINTS), optional_file(folder, CONTROLLER)
    weights = Weights(
        source=str(source),
        folder=folder.absolute(),
        model=model.eval(),
        tokenizer=tokenizer,
        label_order=tuple(order),
        points=read_points(points) if points else {},
        network=Network.load(network) if network else None,
        labels_file=str(labels) if isinstance(labels, str | Path) else "",
        stamps=stamps,
        int8=optional_file(folder, INT8),
    )
    check_unchanged(folder, stamps)
    return weights


def local_folder(source: str | Path) -> Path:
    """Returns the folder of a model. For a hub id this is one revision of all its files, from the hub or its cache.

    Raises:
        InputError: if there is no such folder, or neither the hub nor its cache has the model.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    if str(source).startswith(("/", ".", "~")):  # no hub id begins like this
        raise InputError(
            f"expected a Hugging Face token-classification model, got {str(source)!r}, no folder; check the path"
        )
    try:
        folder = Path(snapshot_download(str(source), ignore_patterns=UNUSED))
        if not any(folder.glob("model*.safetensors")):
            snapshot_download(str(source), revision=folder.name, allow_patterns="pytorch_model*")
    except Exception as error:  # the libraries below raise many types
        raise InputError(
            f"expected a Hugging Face token-classification model, got {str(source)!r}, which is no folder and cannot "
            f"be downloaded: {first_line(error)}; check the path or hub id, or try again"
        ) from error
    return folder


def _label_names(model: PreTrainedModel, source: str | Path, labels: str | Path | Sequence[str] | None) -> list[str]:
    """Returns the label of each logit as prefix and type; see `load_weights`."""
    config: Any = model.config
    names = [config.id2label.get(index) for index in range(config.num_labels)]
    if labels is not None:
        if not isinstance(labels, str | Path | Sequence):
            raise InputError(f"expected a file of labels or a list of them, got {labels!r}; name all of them")
        names = read_labels(labels, names) if isinstance(labels, str | Path) else list(labels)
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"expected a name for each label of {str(source)!r}, got {names}; name all, in their order")
    if len(names) != model.config.num_labels:
        raise InputError(
            f"expected {model.config.num_labels} labels, one for each logit of {str(source)!r}, got {len(names)}; "
            "name all of them, in their order"
        )
    return normalised(names)


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


def read_points(path: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Reads strategy → operating point, by its current name → settings; raises an `InputError` if damaged."""
    at = "none"
    try:
        points: dict[str, dict[str, dict[str, Any]]] = {}
        for name, of in json.loads(path.read_text(encoding="utf-8")).items():
            for stored, settings in of.items():
                at = f"settings of {f'{name}:{stored}'!r} that cannot be used"
                # A context that is no longer supported is refused when its point is asked for.
                if (kind := Strategy.from_json(settings | {"context": DROP}).kind) != parse(name).kind:
                    raise InputError(f"expected settings of {name}, got settings of {kind}")
                point = OLD_NAMES.get(stored, stored)
                points.setdefault(name, {})[point] = settings | {"point": point}
    except Exception as error:  # the file may hold anything
        cause = first_line(error)[:200]
        raise InputError(
            f"expected operating points in {path}, got {at}: {cause}; "
            "restore the file, or make it again with python -m engine.training.calibrate"
        ) from error
    return points


def weights_digest(model: GatedModel, network: Network | None) -> str:
    """SHA-256 of all weights; reports show its first digits."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    for gate, arrays in sorted(network.layers.items()) if network else ():
        digest.update(str(gate).encode() + b"".join(array.tobytes() for array in arrays))
    return digest.hexdigest()


def configuration(config: PretrainedConfig) -> dict[str, Any]:
    """The entries of a configuration that results depend on, without labels."""
    entries = config.to_diff_dict()
    others = {"_name_or_path", "transformers_version", "id2label", "label2id"}
    return {key: entries[key] for key in sorted(entries.keys() - others)}


def load_huggingface(folder: Path) -> PreTrainedModel:
    """Loads the plain Hugging Face model of a folder, float32, in evaluation mode, or raises an `InputError`."""
    transformers_logging.disable_progress_bar()
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
    return model.eval()


def read_labels(path: str | Path, names: Sequence[str]) -> list[str]:
    """Reads the meaning of a checkpoint's label names from a file.

    The file is either JSON, with a list in the order of the logits or an object that maps names or indices to labels,
    or text with one label per line. Raises an `InputError` unless it gives one label for each name.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        found = json.loads(text) if text.lstrip()[:1] in ("[", "{") else text.split("\n")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"expected a file of labels, JSON or one a line, got {path}: {error}; fix it") from error
    if isinstance(found, Mapping):
        found = [found.get(name, found.get(str(index))) for index, name in enumerate(names)]
    labels = [label.strip() for label in found if isinstance(label, str) and label.strip()]
    if len(labels) != len(names):
        raise InputError(
            f"expected {len(names)} labels in {path}, one for each logit, got {len(labels)}; name each logit once"
        )
    return labels


def optional_file(folder: Path, name: str) -> Path | None:
    """Returns the path of a file in a folder, or ``None`` if there is no such file."""
    path = folder / name
    return path if path.is_file() else None


def save_weights(folder: str | Path, model: GatedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Writes a model folder in half precision (without model card and operating points) and its checksums.

    A model without gates is a plain checkpoint. Networks and operating points already there belong to other weights
    and are deleted.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (GATES, CONTROLLER, POINTS, INT8):
        (folder / name).unlink(missing_ok=True)
    last = str(model.encoder.num_layers)
    head = model.heads[last].state_dict()
    classifier = {f"classifier.{kind}": value.half().contiguous() for kind, value in head.items()}
    state = {name: value.half().contiguous() for name, value in model.encoder.huggingface_state().items()}
    save_file(state | classifier, folder / "model.safetensors", metadata={"format": "pt"})
    if model.has_gates:
        save_gates(folder, model, range(len(model.labels)))
    config = model.encoder.config
    config.id2label = dict(enumerate(model.labels.names))
    config.label2id = {name: index for index, name in enumerate(model.labels.names)}
    config.architectures = [model.encoder.architecture]
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_checksums(folder)


def save_gates(folder: Path, model: GatedModel, label_order: Sequence[int]) -> None:
    """Writes the label heads of all layers but the last, in half precision.

    ``label_order`` is the index, in the configuration in the folder, of each of the model's labels.
    """
    last = f"{model.encoder.num_layers}."
    stored = np.argsort(label_order)
    heads = {name: value[stored].half().contiguous() for name, value in model.heads.state_dict().items()}
    save_file({name: value for name, value in heads.items() if not name.startswith(last)}, folder / GATES)


def model_folder(path: str | Path) -> Path:
    """Returns the path of a local model folder; raises an `InputError` for anything else, e.g. a hub id."""
    if not Path(path).is_dir():
        raise InputError(f"expected a model folder, got {str(path)!r}; download the model first")
    return Path(path)
