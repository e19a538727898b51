"""What a model folder stores for the compiled pass beside its layers, in ``compiled.safetensors``.

These are small graphs: embeddings, how positions enter attention, and features for label heads. Large weights in them
are inputs, which come from the checkpoint itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from engine.compiled.layers import Graph, packed, unpacked
from engine.errors import InputError, first_line
from engine.models.checksums import sha256_of
from engine.models.folder import ModelFolder
from engine.models.sizes import Sizes

AGAIN = "make it again with python -m engine.training.quantise"


@dataclass(frozen=True)
class Facts:
    """What the compiled pass needs to know of a model.

    Args:
        sizes: sizes of the encoder and its heads.
        max_rows: the encoder's maximum number of rows in a window.
        first_position: position of a window's first row in the position table; 0 if positions are counted from 0.
        kinds: for each layer, the name of the graph that places its rows.
        weights: input of a graph → the checkpoint's tensors, which are concatenated.
        tokens: ids of CLS, SEP and the unknown word piece.
        pieces: SHA-256 of everything that word pieces and windows depend on.
        digest: SHA-256 of the model's weights, as `engine.pytorch.checkpoint.weights_digest` computes it.
        checksums: SHA-256 of the files that all this belongs to.
        configuration: SHA-256 of the entries of ``config.json`` that results depend on.
    """

    sizes: Sizes
    max_rows: int
    first_position: int
    kinds: tuple[str, ...]
    weights: Mapping[str, tuple[str, ...]]
    tokens: tuple[int, int, int]
    pieces: str
    digest: str
    checksums: Mapping[str, str]
    configuration: str


@dataclass(frozen=True, eq=False)
class Parts:
    """The stored graphs of a model, by name, and facts about it."""

    facts: Facts
    graphs: Mapping[str, Graph]

    def save(self, path: Path) -> None:
        """Saves the parts to a safetensors file."""
        save_file(packed(self.graphs), path, metadata={"facts": json.dumps(asdict(self.facts))})

    @classmethod
    def load(cls, path: Path) -> Parts:
        """Loads the parts from a file that `save` wrote; raises an `InputError` if it is none."""
        try:
            with safe_open(path, "numpy") as file:
                facts: dict[str, Any] = json.loads(file.metadata()["facts"])
                graphs = unpacked({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            facts["sizes"] = Sizes.from_json(facts["sizes"])
            facts["kinds"], facts["tokens"] = tuple(facts["kinds"]), tuple(facts["tokens"])
            facts["weights"] = {name: tuple(tensors) for name, tensors in facts["weights"].items()}
            return cls(Facts(**facts), graphs)
        except Exception as error:  # the library raises its own types
            raise InputError(
                f"expected the parts of a compiled pass in {path}, got {first_line(error)}; restore it, or {AGAIN}"
            ) from error

    def check(self, folder: ModelFolder) -> None:
        """Raises an `InputError` unless the parts belong to the files of a model folder."""
        for name, checksum in self.facts.checksums.items():
            if not (folder.path / name).is_file():
                raise InputError(f"expected {folder.path / name}, got no such file; restore it")
            if sha256_of(folder.path / name) != checksum:
                raise InputError(
                    f"expected a compiled pass made from {folder.path / name}, got one of another; {AGAIN}"
                )
        if configuration_digest(folder.configuration()) != self.facts.configuration:
            raise InputError(
                f"expected a compiled pass made for {folder.path / 'config.json'}, got one for other settings; {AGAIN}"
            )


class Checkpoint:
    """The tensors of a checkpoint in safetensors, in one file or several, as NumPy arrays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tensors: dict[tuple[str, ...], np.ndarray] = {}

    @cached_property
    def files(self) -> list[Path]:
        """The files, or an `InputError` if there are none."""
        found = sorted(self.folder.glob("model*.safetensors"))
        if not found:
            raise InputError(
                f"expected model.safetensors in {self.folder}, got no such file; save the model in this format, or use "
                "--dtype float32"
            )
        return found

    def tensor(self, names: tuple[str, ...]) -> np.ndarray:
        """Tensors joined along their first axis, in float32, read once; raises an `InputError` if one is missing."""
        if names not in self._tensors:  # the graphs of all threads and strategies share it
            self._tensors[names] = np.concatenate([self._tensor(name) for name in names])
        return self._tensors[names]

    def _tensor(self, name: str) -> np.ndarray:
        for path in self.files:
            with safe_open(path, "numpy") as file:
                if name in file.keys():  # noqa: SIM118
                    return _float32(file, name, path)
        raise InputError(f"expected the tensor {name} in {self.folder}, got none; restore its weights")


def _float32(file: Any, name: str, path: Path) -> np.ndarray:
    try:
        return file.get_tensor(name).astype(np.float32)
    except Exception as error:  # the library raises its own types
        raise InputError(
            f"expected float16 or float32 for {name} in {path}, got {first_line(error)}; use --dtype float32"
        ) from error


def configuration_digest(configuration: Mapping[str, Any]) -> str:
    """SHA-256 of the entries of a configuration."""
    return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()
