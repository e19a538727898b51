"""Runs one exported graph on texts; `engine.export` copies this file with all that it imports.

It needs onnxruntime, tokenizers and numpy.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from engine.errors import InputError
from engine.text.decoding import Decoder
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces, position_ids


class Session:
    """A graph, ready to run; any number of threads may call it at once.

    Args:
        model: the graph as ONNX, or its file.
        threads: number of threads of a call; 0 for all processors.
        weights: those that are not in the model; they are not copied.
    """

    def __init__(self, model: bytes | Path, threads: int, weights: Mapping[str, np.ndarray] = {}) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        # Threads wait actively for the next operation, and sleep once the call returns.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Its fused operator takes three to six times as long as the two that it replaces.
        options.add_session_config_entry("optimization.disable_specified_optimizers", "SkipLayerNormFusion")
        arrays = map(np.ascontiguousarray, weights.values())
        self._weights = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
        options.add_external_initializers(list(weights), self._weights)
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the graph on the inputs that it has among these; returns its outputs by name."""
        outputs = self._session.run(self._outputs, {name: inputs[name] for name in self._inputs})
        return dict(zip(self._outputs, outputs, strict=True))


def graph_inputs(window: Window, first_position: int) -> dict[str, np.ndarray]:
    """The inputs of every graph for a window; `engine.graph.compose.compose` says what they are."""
    return {
        "input_ids": window.input_ids,
        "position_ids": position_ids(window.input_ids, first_position),
        "position": np.arange(len(window.input_ids)),
        "word": np.where(window.word < 0, window.num_words, window.word),
        "first": window.first_rows,
    }


class Tagger:
    """Finds entities in texts of any length. Any number of threads may call it at once.

    Args:
        folder: the exported folder.
        threads: number of threads of a call; 0 for all processors.

    Raises:
        InputError: if the settings ask for more rows than the graph can take.
    """

    def __init__(self, folder: Path = Path(__file__).parent, threads: int = 0) -> None:
        self.settings: dict[str, Any] = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self.labels = LabelSet.from_names(self.settings["labels"])
        transitions = self.settings["transitions"]
        scores = None if transitions is None else np.array(transitions)
        switches = (self.settings[name] for name in ("constraints", "abbreviations"))
        self.decoder = Decoder(self.labels, scores, *switches)
        self._session = Session(folder / "model.onnx", threads)
        self._numbers = {name: np.array([value], np.float32) for name, value in self.settings["numbers"].items()}
        most, rows = int(self._session.metadata["max_rows"]), self.settings["max_rows"]
        if not (isinstance(rows, int) and 3 <= rows <= most):
            raise InputError(f"max_rows in settings.json is {rows!r}; it must lie between 3 and {most}.")
        first, last, unknown = self.settings["tokens"]
        tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
        self.pieces = WordPieces(tokenizer, (first, last, unknown), rows)

    def tag(self, text: str) -> tuple[Entity, ...]:
        """Returns the entities of a text, with character offsets; raises an `InputError` if it is no string."""
        if not isinstance(text, str):
            raise InputError(f"{text!r} is no text; convert it with str.")
        (words,), (windows,) = self.pieces.of_texts([text])
        probabilities = [np.zeros((0, len(self.labels)), dtype=np.float32), *map(self._run, windows)]
        return self.decoder.decode(text, words, np.concatenate(probabilities)).entities

    def _run(self, window: Window) -> np.ndarray:
        """Label distributions of the words that a window labels."""
        outputs = self._session.run(graph_inputs(window, self.settings["first_position"]) | self._numbers)
        return outputs["labels"][window.labelled]
