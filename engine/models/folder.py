"""What a model folder says of its model without its weights: labels, family, operating points and networks.

``config.json``, ``model.safetensors`` and the tokenizer's files are plain Hugging Face. ``gates.safetensors`` holds the
label heads of all layers but the last, ``controller.safetensors`` the networks of ``mlp``, ``operating_points.json``
the strategies' settings, and under ``int8`` whether ``dense`` in 8 bits agrees with float32. Under ``weights`` gates
and operating points name the digest of what they were made for. The folder of a cascade is that of its large model and
also holds ``cascade.json`` and, in ``small``, the folder of the small model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open

from engine.cascade import Cascade, columns_of, read_cascades
from engine.errors import InputError, first_line
from engine.models.families import family_of
from engine.models.family import Family
from engine.models.tensors import digest_of, weight_files
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.controllers.mlp import Network
from engine.pruning.strategy import GoneError, Strategy
from engine.pruning.strategy_names import Points, current_point, parse
from engine.text.labels import LabelSet, normalised

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel holds the weights inside the package, a checkout beside it.
SHIPPED = (_PACKAGE if (_PACKAGE / "weights").is_dir() else _PACKAGE.parent) / "weights" / "minilm-l6-bc5cdr"
CONFIG = "config.json"
GATES, POINTS = "gates.safetensors", "operating_points.json"
NETWORKS = {kind: of.network_file for kind, of in CONTROLLERS.items() if of.network_file}  # controller → its file
WEIGHTS, INT8 = "weights", "int8"  # entries of operating points and of cascades that are no strategies
CASCADES, SMALL = "cascade.json", "small"
# Files on the hub that no model is loaded from; weights as .bin are if there are no others.
UNUSED = ["*/*", "*.bin", "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.gguf", "*.pt", "*.ckpt"]
# Entries of config.json that no result depends on.
OTHERS = {"_name_or_path", "transformers_version", "id2label", "label2id", "dtype", "torch_dtype"}


@dataclass(frozen=True, eq=False)
class ModelFolder:
    """A model folder.

    ``source``: the folder or hub id, as given.
    ``path``: the folder itself; of a hub id, that of the revision in the cache.
    ``labels``: the model's labels.
    ``label_order``: the checkpoint's label index of each of our labels.
    ``points``: its operating points; ``belongs_to``: the digest of the weights that they were chosen for.
    ``networks``: learned controller → its networks, where the folder has them.
    ``int8``: what was measured when ``dense`` in 8 bits was found to agree with float32; ``None`` if it was not.
    ``labels_file``: the file that gives the meaning of its labels, if any.
    ``small``: the small model of a cascade, in which this is the large one.
    ``cascades``: operating point of the cascade → strategy.
    """

    source: str
    path: Path
    labels: LabelSet
    label_order: tuple[int, ...]
    points: Points = field(default_factory=dict)
    belongs_to: str = ""
    networks: Mapping[str, Network] = field(default_factory=dict)
    int8: Mapping[str, Any] | None = None
    labels_file: str = ""
    small: ModelFolder | None = None
    cascades: Mapping[str, Cascade] = field(default_factory=dict)

    @property
    def has_gates(self) -> bool:
        """Whether every layer has a label head."""
        return (self.path / GATES).is_file()

    @property
    def configuration(self) -> dict[str, Any]:
        """The entries of ``config.json`` that results depend on."""
        config = read_config(self.path, self.source)
        return {name: config[name] for name in sorted(config.keys() - OTHERS)}

    @cached_property
    def family(self) -> Family:
        """The model's family; raises an `InputError` unless it is supported."""
        with errors_name(self.source, self.path):
            config = read_config(self.path, self.source)
            architectures = config.get("architectures")
            if architectures and "ForTokenClassification" not in str(architectures):
                raise InputError(
                    f"expected a checkpoint for token classification in {self.path}, got {architectures}; choose one "
                    "that was fine-tuned for it, or correct architectures in its config.json"
                )
            return family_of(config)

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of the weights and gates, which operating points belong to."""
        return weights_digest(self.path)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all weights, networks included; reports show its first digits."""
        networks = b"".join(network.to_bytes() for network in self.networks.values())
        return hashlib.sha256(self.weights_digest.encode() + networks).hexdigest()

    def check_digests(self) -> None:
        """Raises an `InputError` if gates or operating points belong to other weights."""
        stored = {POINTS: (self.belongs_to, self.weights_digest)}
        if self.has_gates:
            stored[GATES] = (_gates_belong_to(self.path / GATES), digest_of(weight_files(self.path)))
        for name, (wanted, digest) in stored.items():
            if wanted and wanted != digest:
                raise InputError(
                    f"expected the weights that {self.path / name} was made for, got others; restore the folder's files"
                )


def read_folder(source: str | Path | None = None, labels: str | Path | Sequence[str] | None = None) -> ModelFolder:
    """Reads a model folder or downloads it from the hub; ``None`` is the shipped model.

    Args:
        source: the folder or hub id.
        labels: names of its labels in the order of its logits, or a file for `read_labels`; ``None`` uses its own.

    Raises:
        InputError: if files are missing or damaged, or the label scheme is not supported.
    """
    source = SHIPPED if source is None else source
    if not isinstance(source, str | Path):
        raise InputError(f"expected the folder or hub id of a model, got {source!r}; give its path")
    path = local_folder(source)
    with errors_name(source, path):
        names = _label_names(path, source, labels)
        label_set = LabelSet.from_names(names)
        points, cascades = (optional_file(path, name) for name in (POINTS, CASCADES))
        networks = {kind: Network.load(path / name) for kind, name in NETWORKS.items() if (path / name).is_file()}
        facts = read_facts(cascades or points)
        small = read_folder(path / SMALL) if cascades else None
        if small:
            columns_of(small.labels, label_set)
        return ModelFolder(
            source=str(source),
            path=path.absolute(),
            labels=label_set,
            label_order=tuple(names.index(name) for name in label_set.names),
            points=read_points(points) if points else {},
            belongs_to=str(read_facts(points).get(WEIGHTS, "")),
            int8=facts.get(INT8),
            networks=networks,
            labels_file=str(labels) if isinstance(labels, str | Path) else "",
            small=small,
            cascades=read_cascades(cascades) if cascades else {},
        )


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
    """Returns the folder of a model. For a hub id this is one revision of all its files, from the hub or its cache.

    Raises:
        InputError: if there is no such folder, or neither the hub nor its cache has the model.
    """
    folder = Path(source)
    with suppress(OSError):  # a name that is too long
        if folder.is_dir():
            return folder
    if str(source).startswith(("/", ".", "~")):  # no hub id begins like this
        raise InputError(
            f"expected a Hugging Face token-classification model, got {str(source)!r}, no folder; check the path"
        )
    from huggingface_hub import snapshot_download  # takes a fifth of a second to import

    try:
        folder = Path(snapshot_download(str(source), ignore_patterns=UNUSED))
        if not any(folder.glob("model*.safetensors")):
            snapshot_download(str(source), revision=folder.name, allow_patterns="pytorch_model*")
        if (folder / CASCADES).is_file():
            snapshot_download(str(source), revision=folder.name, allow_patterns=f"{SMALL}/*")
    except Exception as error:  # the libraries below raise many types
        raise InputError(
            f"expected a Hugging Face token-classification model, got {str(source)!r}, which is no folder and cannot "
            f"be downloaded: {first_line(error)}; check the path or hub id, or try again"
        ) from error
    return folder


def _label_names(folder: Path, source: str | Path, labels: str | Path | Sequence[str] | None) -> list[str]:
    """Returns the label of each logit as prefix and type; see `read_folder`."""
    config = read_config(folder, source)
    known = {str(index): name for index, name in (config.get("id2label") or {}).items()}
    count = len(known) or config.get("num_labels") or 2  # what the library assumes
    names: list[Any] = [known.get(str(index)) if known else f"LABEL_{index}" for index in range(count)]
    if labels is not None:
        if not isinstance(labels, str | Path | Sequence):
            raise InputError(f"expected a file of labels or a list of them, got {labels!r}; name all of them")
        names = read_labels(labels, count) if isinstance(labels, str | Path) else list(labels)
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"expected a name for each label of {str(source)!r}, got {names}; name all, in their order")
    if len(names) != count:
        raise InputError(
            f"expected {count} labels, one for each logit of {str(source)!r}, got {len(names)}; "
            "name all of them, in their order"
        )
    return normalised(names)


def weights_digest(folder: Path) -> str:
    """SHA-256 of a folder's weights and gates."""
    gates = optional_file(folder, GATES)
    return digest_of([*weight_files(folder), *([gates] if gates else [])])


def _gates_belong_to(path: Path) -> str:
    """The digest of the weights that gates were trained with; ``""`` if the file does not say."""
    try:
        with safe_open(path, "numpy") as file:
            return str((file.metadata() or {}).get(WEIGHTS, ""))
    except Exception as error:  # the library raises its own types
        raise InputError(f"expected label heads in {path}, got {first_line(error)}; restore the file") from error


def read_facts(path: Path | None) -> dict[str, Any]:
    """What a file of operating points says besides strategies: `WEIGHTS` and `INT8`."""
    if path is None:
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {name: stored[name] for name in (WEIGHTS, INT8) if name in stored}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"expected JSON in {path}, got {first_line(error)}; restore the file") from error


def read_config(folder: Path, source: str | Path) -> dict[str, Any]:
    """Reads a folder's ``config.json``; raises an `InputError` if that is missing or no JSON object."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise InputError(
            f"expected a Hugging Face token-classification model, got {str(source)!r}, whose config.json cannot be "
            f"read: {why}; check the path, or restore the folder"
        ) from error
    return config


def read_points(path: Path) -> Points:
    """Reads the operating points of a model folder; raises an `InputError` if the file is damaged."""
    at = "none"
    try:
        points: dict[str, dict[str, Strategy | str]] = {}
        for name, of in json.loads(path.read_text(encoding="utf-8")).items():
            for stored, settings in () if name in (WEIGHTS, INT8) else of.items():
                at = f"settings of {f'{name}:{stored}'!r} that cannot be used"
                point = current_point(stored)
                try:
                    strategy = Strategy.from_json(settings | {"point": point})
                except GoneError as error:
                    points.setdefault(name, {})[point] = (
                        f"expected a point that this version can run, got {f'{name}:{point}'!r} with {error.what}, "
                        "which is not supported; choose another, or choose them again with python -m "
                        "engine.training.calibrate"
                    )
                    continue
                if strategy.kind != parse(name).kind:
                    raise InputError(f"expected settings of {name}, got settings of {strategy.kind}")
                points.setdefault(name, {})[point] = strategy
    except Exception as error:  # the file may hold anything
        cause = first_line(error)[:200]
        raise InputError(
            f"expected operating points in {path}, got {at}: {cause}; "
            "restore the file, or make it again with python -m engine.training.calibrate"
        ) from error
    return points


def read_labels(path: str | Path, count: int) -> list[str]:
    """Reads what a checkpoint's labels mean from a file, one label a line, in the order of its ``count`` logits.

    Raises an `InputError` if it has another number of labels.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise InputError(f"expected a file of labels, one a line, got {path}: {error}; fix it") from error
    labels = [line.strip() for line in lines if line.strip()]
    if len(labels) != count:
        raise InputError(
            f"expected {count} labels in {path}, one a line for each logit, got {len(labels)}; name each logit once"
        )
    return labels


def optional_file(folder: Path, name: str) -> Path | None:
    """Returns the path of a file in a folder, or ``None`` if there is no such file."""
    path = folder / name
    return path if path.is_file() else None


def model_folder(path: str | Path) -> Path:
    """Returns the path of a local model folder; raises an `InputError` for anything else, e.g. a hub id."""
    if not Path(path).is_dir():
        raise InputError(f"expected a model folder, got {str(path)!r}; download the model first")
    return Path(path)
