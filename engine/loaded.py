"""A model folder, loaded: what computes, compiled or in PyTorch, and what is known of the model."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from engine.compiled.folder import compiled_model
from engine.compiled.passes import CompiledModel
from engine.errors import InputError
from engine.models.folder import ModelFolder
from engine.models.sizes import Sizes
from engine.text.windows import WordPieces

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from engine.pytorch.backend import PyTorchModel
    from engine.pytorch.encoders import Encoder
    from engine.pytorch.gated import GatedModel

logger = logging.getLogger(__name__)

DTYPES = ("float32", "bfloat16", "int8", "auto")


class LoadedModel:
    """A model that can compute.

    In ``int8`` it computes by compiled graphs and loads PyTorch only when something needs it.

    Args:
        folder: a model folder, read or with its weights loaded; the model computes with a copy of these.
        dtype: ``float32``, ``bfloat16``, ``int8`` (if the folder has layers in 8 bits), or ``auto``: ``int8`` where
            that is possible, else ``float32``; on a GPU ``bfloat16`` if it has units for it.
        device: torch device, ``cpu`` or ``cuda``.

    ``source``, ``labels_file``: the model and the file with the meaning of its labels, as given.
    ``folder``: the model's folder; of a hub id, that of the revision in the cache.
    ``labels``: its labels; ``label_order``: the checkpoint's label index of each of them.
    ``points``, ``network``: its operating points as stored, and its networks of ``mlp``, if any.
    ``cascades``: operating points of the cascade, if the folder is that of one.
    ``dtype``: the number format that it computes in, with ``auto`` resolved; ``why``: why ``auto`` chose it.
    ``pieces``: cuts words into word pieces and windows.

    Raises:
        InputError: if the dtype or device is unknown, or this device or model cannot run the dtype.
    """

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu") -> None:
        if dtype not in DTYPES:
            raise InputError(f"expected one of the dtypes {list(DTYPES)}, got {dtype!r}; choose one of them")
        self._folder, self.device = folder, device
        self.source, self.folder, self.labels_file = folder.source, folder.path, folder.labels_file
        self.label_order = folder.label_order
        self.labels, self.network, self.points = folder.labels, folder.network, folder.points
        self.cascades = folder.cascades
        self.compiled: CompiledModel | None = None
        self.why = ""
        if dtype == "auto":
            dtype, self.why = self._choose(device)
        elif dtype == "int8":
            self.compiled = compiled_model(folder, device)
        self.dtype = dtype
        logger.info("dtype %s%s", dtype, f": {self.why}" if self.why else "")
        if self.compiled is None:
            self.pytorch  # noqa: B018  # so that a model that cannot be loaded is refused now
        self.pieces: WordPieces = self._pieces()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Compiled graphs cannot be copied: a model in ``int8`` is loaded again, in another process if need be."""
        if self.compiled is None:
            return super().__reduce_ex__(protocol)
        return type(self), (self._folder, self.dtype, self.device)

    def _choose(self, device: str) -> tuple[str, str]:
        """What ``auto`` is here, and why."""
        if device.startswith("cuda"):
            from engine.pytorch.backend import has_bfloat16_units

            has = has_bfloat16_units(device)
            return ("bfloat16", "the GPU has units for it") if has else ("float32", "the GPU has no units for bfloat16")
        try:
            self.compiled = compiled_model(self._folder, device)
        except InputError as error:
            return "float32", f"no int8: {error}"
        return "int8", "OpenVINO runs here, and the model's folder has layers in 8 bits"

    def _pieces(self) -> WordPieces:
        """Cuts words without transformers where that is known to give the same pieces."""
        if self.compiled is not None and (found := self.compiled.pieces()) is not None:
            return found
        from engine.pytorch.tokenizer import word_pieces

        return word_pieces(self.tokenizer, self.encoder.max_rows if self.compiled is None else self.compiled.max_rows)

    @cached_property
    def pytorch(self) -> PyTorchModel:
        """The model in PyTorch; in ``int8`` it is loaded, in float32, when something first needs it.

        Raises:
            InputError: if the folder's files have changed since the model was loaded.
        """
        from engine.pytorch.backend import PyTorchModel
        from engine.pytorch.checkpoint import Weights, weights_of

        weights = self._folder if isinstance(self._folder, Weights) else weights_of(self._folder)
        found = PyTorchModel(weights, self.dtype if self.compiled is None else "float32", self.device)
        if self.compiled is not None and found.digest != self.compiled.digest:
            raise InputError(f"expected {self.folder} to be unchanged, got other weights; load the model again")
        return found

    @property
    def model(self) -> GatedModel:
        """The model in PyTorch."""
        return self.pytorch.model

    @property
    def encoder(self) -> Encoder:
        """Its encoder."""
        return self.model.encoder

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer as transformers loads it."""
        if self.compiled is None:
            return self.pytorch.tokenizer
        from engine.pytorch.tokenizer import load_tokenizer

        return load_tokenizer(self.folder)

    @property
    def _model(self) -> PyTorchModel | CompiledModel:
        """What computes."""
        return self.pytorch if self.compiled is None else self.compiled

    @property
    def sizes(self) -> Sizes:
        """Sizes of the encoder and its label heads."""
        return self._model.sizes

    @property
    def has_gates(self) -> bool:
        """Whether every layer has a label head, so that words can exit."""
        return self.model.has_gates if self.compiled is None else self._folder.has_gates and self.sizes.layers > 1

    @property
    def digest(self) -> str:
        """SHA-256 of the weights as loaded, the same in every dtype."""
        return self._model.digest

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on besides strategy, dtype, device and code; compared before a run continues."""
        return {
            "weights": self.digest,
            "tokenizer": self.pieces.digest(),
            "labels": list(self.labels.names),
            "runtime": "" if self.compiled is None else str(self.compiled),
            "configuration": self._folder.configuration(),
        }

    def plain_model(self) -> PreTrainedModel:
        """Loads the plain Hugging Face model of the same checkpoint, float32, on the CPU."""
        from engine.pytorch.checkpoint import load_huggingface

        return load_huggingface(self.folder)
