"""A model folder without its weights: labels, family, operating points and networks.

``config.json``, ``model.safetensors`` and the tokenizer's files are plain Hugging Face. ``gates.safetensors`` holds the
label heads of all layers but the last; ``controller.safetensors`` and ``controller-attention.safetensors`` the networks
of ``mlp`` and ``mlp-attention``; ``operating_points.json`` the strategies' settings. Under ``weights`` gates and
operating points name the digest of what they were made for: gates the checkpoint's weights, operating points all that a
result depends on. The folder of a cascade is that of its large model and also holds ``cascade.json`` and, in ``small``,
the folder of the small model.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from engine.errors import InputError, explained
from engine.models.decoder_file import DECODING
from engine.models.families import family_of
from engine.models.family import Family
from engine.models.network_file import read_network
from engine.models.points_file import CASCADES, POINTS, WEIGHTS, read_points
from engine.models.shipped import DEFAULT, SHIPPED
from engine.models.tensors import INDEX, SAFETENSORS, Tensors, digest_of, weight_files
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.controllers.mlp import Network
from engine.pruning.strategy import Points
from engine.text.labels import LabelSet, normalised

CONFIG = "config.json"
GATES = "gates.safetensors"
NETWORKS = {kind: of.network_file for kind, of in CONTROLLERS.items() if of.network_file}  # controller → its file
SMALL = "small"  # in the folder of a cascade, the folder of its small model
MOST_LABELS = 10_000  # more would fill the memory before the classifier is found to have others
# Files on the hub that no model is loaded from; weights as .bin are if there are no others.
NOT_DOWNLOADED = ["*/*", "*.bin", "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.gguf", "*.pt", "*.ckpt"]
# Entries of config.json that no result depends on.
NOT_IN_RESULTS = {"_name_or_path", "transformers_version", "id2label", "label2id", "dtype", "torch_dtype"}
Heads = Mapping[int, tuple[np.ndarray, np.ndarray]]  # layer → weights (labels, hidden) and biases (labels,) of its head


@dataclass(frozen=True, eq=False)
class ModelFolder:
    """A model folder."""

    source: str  # the folder or hub id, as given
    path: Path  # the folder itself; of a hub id, that of the revision in the cache
    config: Mapping[str, Any]  # the entries of config.json
    family: Family  # made of them
    labels: LabelSet
    label_order: tuple[int, ...]  # the checkpoint's index of each of our labels
    points: Points = field(default_factory=dict)
    belongs_to: str = ""  # the `points_digest` that the points were chosen for
    networks: Mapping[str, Network] = field(default_factory=dict)  # learned controller → its networks, if there are any
    int8: bool | None = None  # whether dense in 8 bits was found to agree with float32; None if that is not known
    labels_file: str = ""  # the file that says what the labels mean, if any
    small: "ModelFolder | None" = None  # the small model of a cascade, in which this is the large one

    @property
    def has_gates(self) -> bool:
        """Whether every layer has a label head."""
        return (self.path / GATES).is_file()

    def digest(self) -> str:
        """SHA-256 of all weights, networks included; reports show its first digits.

        Raises an `InputError` if gates or operating points belong to others, or points to other settings.
        """
        digest = weights_digest(self.path)
        if self.belongs_to and self.belongs_to != self.points_digest(digest):
            raise InputError(
                f"{self.path / POINTS} was made for other weights, another {CONFIG} or {DECODING}, or by an earlier "
                "version. Restore them, or delete it and run bioner calibrate."
            )
        if self.has_gates:
            with explained(f"Cannot read the label heads in {self.path / GATES}", "Restore the file"):
                file = safe_open(self.path / GATES, "numpy")
            belongs_to = (file.metadata() or {}).get(WEIGHTS, "")
            if belongs_to and belongs_to != digest_of(weight_files(self.path)):
                raise InputError(f"{self.path / GATES} was made for other weights. Restore them, or make it again.")
        networks = b"".join(network.to_bytes() for network in self.networks.values())
        return hashlib.sha256(digest.encode() + networks).hexdigest()

    def points_digest(self, weights: str) -> str:
        """SHA-256 of what operating points belong to: weights, settings, labels and the decoder's file."""
        decoding = self.path / DECODING
        read = [weights, self.family.settings, self.config.get("id2label")]
        digest = hashlib.sha256(json.dumps(read, sort_keys=True).encode())
        digest.update(decoding.read_bytes() if decoding.is_file() else b"")
        return digest.hexdigest()

    def tensors(self) -> Tensors:
        """The checkpoint's tensors; raises an `InputError` unless those that a pass reads fit ``config.json``."""
        tensors, labels = Tensors(self.path), len(self.labels)
        classifier = {"classifier.weight": (labels, self.family.hidden_size), "classifier.bias": (labels,)}
        tensors.check(classifier | self.family.shapes(tensors))
        return tensors

    def heads(self, tensors: Tensors) -> Heads:
        """Reads the label heads of all layers that have one, in the order of our labels, given the checkpoint."""
        parts, order, layers = ("weight", "bias"), list(self.label_order), self.family.num_layers
        heads = {layers: [tensors.read(f"classifier.{part}").astype(np.float32) for part in parts]}
        if self.has_gates:
            path, shapes = self.path / GATES, [part.shape for part in heads[layers]]
            with explained(f"Cannot read the label heads in {path}", "Restore the file, or make the gates again"):
                file = safe_open(path, "numpy")
                for number in range(1, layers):
                    head = [file.get_tensor(f"{number}.{part}").astype(np.float32) for part in parts]
                    if [part.shape for part in head] != shapes or not all(np.isfinite(part).all() for part in head):
                        raise ValueError(f"that of layer {number} does not fit the classifier, or is not finite")
                    heads[number] = head
        return {number: (weights[order], biases[order]) for number, (weights, biases) in heads.items()}


def read_folder(source: str | Path | None = None, labels: str | Path | Sequence[str] | None = None) -> ModelFolder:
    """Reads a model folder or downloads it from the hub.

    Args:
        source: the folder, hub id, or short name of shipped weights; ``None`` is chemicals and diseases.
        labels: names of its labels in the order of its logits, or a file with one a line; ``None`` uses its own.

    Raises:
        InputError: if files are missing or damaged, or the architecture or label scheme is not supported.
    """
    source = DEFAULT if source is None else source
    if not isinstance(source, str | Path):
        raise InputError(f"A model is named by its folder or hub id, not by {source!r}.")
    path = local_folder(source)
    source = path if source in SHIPPED else source
    with errors_name(source, path):
        config = read_config(path)
        names = _label_names(config, source, labels)
        label_set = LabelSet.from_names(names)
        stored = read_points(path)
        return ModelFolder(
            source=str(source),
            path=path.absolute(),
            config=config,
            family=read_family(config, path),
            labels=label_set,
            label_order=tuple(names.index(name) for name in label_set.names),
            points=stored.points,
            belongs_to=stored.belongs_to,
            networks={kind: read_network(path / name) for kind, name in NETWORKS.items() if (path / name).is_file()},
            int8=stored.int8,
            labels_file=str(labels) if isinstance(labels, str | Path) else "",
            small=read_folder(path / SMALL) if stored.is_cascade else None,
        )


def read_config(path: Path) -> dict[str, Any]:
    """The entries of a folder's ``config.json``; raises an `InputError` if it cannot be read."""
    with explained(f"Cannot read {path / CONFIG}", "Check the path, or restore the file"):
        return dict(json.loads((path / CONFIG).read_text(encoding="utf-8")))


@contextmanager
def errors_name(source: str | Path, path: Path) -> Iterator[None]:
    """A context in which errors name a model on the hub by its id, not by its folder in the cache."""
    try:
        yield
    except InputError as error:
        if Path(source).is_dir():
            raise
        raise InputError(str(error).replace(str(path), str(source))) from error


def local_folder(source: str | Path) -> Path:
    """Returns the folder of a model: that of shipped weights, if ``source`` is their short name.

    For a hub id it holds one revision of all its files, from the hub or its cache. Raises an `InputError` if there is
    no such folder, or neither the hub nor its cache has the model.
    """
    if source in SHIPPED:
        return SHIPPED[str(source)]
    folder = Path(source)
    with suppress(OSError):  # a name that is too long
        if folder.is_dir():
            return folder
    if str(source).startswith(("/", ".", "~")):  # no hub id begins like this
        raise InputError(f"There is no folder {str(source)!r}. Check the path.")
    from huggingface_hub import snapshot_download  # takes a fifth of a second to import

    problem = f"{str(source)!r} is no folder, and cannot be downloaded from the hub"
    with explained(problem, "Check the path or hub id, or try again"):
        folder = Path(snapshot_download(str(source), ignore_patterns=NOT_DOWNLOADED))
        if not any((folder / name).is_file() for name in (SAFETENSORS, SAFETENSORS + INDEX)):
            snapshot_download(str(source), revision=folder.name, allow_patterns="pytorch_model*")
        if (folder / CASCADES).is_file():
            snapshot_download(str(source), revision=folder.name, allow_patterns=f"{SMALL}/*")
    return folder


def _label_names(config: Mapping[str, Any], source: str | Path, labels: str | Path | Sequence[str] | None) -> list[str]:
    """Returns the label of each logit as prefix and type; see `read_folder`."""
    with explained(f"Cannot read the labels in {CONFIG}", "Write id2label as an object, or num_labels as a number"):
        count = config.get("num_labels") or 2  # what the library assumes
        if count > MOST_LABELS:
            raise ValueError(f"num_labels is {count}, and at most {MOST_LABELS} are read")
        known = config.get("id2label") or {str(index): f"LABEL_{index}" for index in range(count)}
        if config.get("num_labels") not in (None, len(known)):
            raise ValueError(f"num_labels is {count}, but id2label names {len(known)}")
        names: list[Any] = [known.get(str(index)) for index in range(len(known))]
    if isinstance(labels, str | Path):
        with explained(f"Cannot read the labels in {labels}", "Write one label a line, in UTF-8"):
            lines = Path(labels).read_text(encoding="utf-8-sig").split("\n")
        names = [line.strip() for line in lines if line.strip()]
    elif isinstance(labels, Sequence):
        names = list(labels)
    elif labels is not None:
        raise InputError(f"Labels are a file or a list of names, not {labels!r}.")
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise InputError(f"Not every label of {str(source)!r} has a name: {names}. Name all, in their order.")
    if len(names) != len(known):
        raise InputError(f"{str(source)!r} has {len(known)} labels, but {len(names)} names are given.")
    return normalised(names)


def weights_digest(folder: Path) -> str:
    """SHA-256 of a folder's weights and gates."""
    return digest_of([*weight_files(folder), *folder.glob(GATES)])


def read_family(config: Mapping[str, Any], folder: Path) -> Family:
    """The family of a checkpoint; raises an `InputError` unless it is supported and made for token classification."""
    architectures = config.get("architectures")
    if architectures and "ForTokenClassification" not in str(architectures):
        raise InputError(
            f"{folder} is not made for token classification: its architectures are {architectures}. Make a model of "
            f"it with bioner finetune --plain --backbone {folder}, or correct its {CONFIG}."
        )
    return family_of(config)


def model_folder(path: str | Path) -> Path:
    """Returns the path of a local model folder; raises an `InputError` for anything else, a hub id or a short name."""
    if not Path(path).is_dir():
        raise InputError(f"{str(path)!r} is no folder. Download the model, or copy its folder, first.")
    return Path(path)
