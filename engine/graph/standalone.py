"""Runs one exported graph on texts; `engine.export` copies this file with all that it imports.

It needs onnxruntime, tokenizers and numpy.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from engine.errors import InputError
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces, position_ids


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How a graph runs, with this number of threads; 0 for all processors."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Its fused operator takes three to six times as long as the two that it replaces.
    options.add_session_config_entry("optimization.disable_specified_optimizers", "SkipLayerNormFusion")
    return options


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
        options, providers = session_options(threads), ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers)
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._numbers = {name: np.array([value], np.float32) for name, value in self.settings["numbers"].items()}
        most, rows = int(self._session.get_modelmeta().custom_metadata_map["max_rows"]), self.settings["max_rows"]
        if not (isinstance(rows, int) and 3 <= rows <= most):
            raise InputError(f"expected max_rows from 3 to {most} in settings.json, got {rows!r}; correct it")
        first, last, unknown = self.settings["tokens"]
        tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
        self.pieces = WordPieces(tokenizer, (first, last, unknown), rows)

    def tag(self, text: str) -> tuple[Entity, ...]:
        """Returns the entities of a text, with character offsets; raises an `InputError` if it is no string."""
        if not isinstance(text, str):
            raise InputError(f"expected a text, got {text!r}; convert it to str")
        (words,), (windows,) = self.pieces.of_texts([text])
        probabilities = [np.zeros((0, len(self.labels)), dtype=np.float32), *map(self._run, windows)]
        return self.labels.decode(text, words, np.concatenate(probabilities))

    def _run(self, window: Window) -> np.ndarray:
        """Label distributions of the words that a window labels."""
        inputs = graph_inputs(window, self.settings["first_position"]) | self._numbers
        (probabilities,) = self._session.run(["labels"], {name: inputs[name] for name in self._inputs})
        labels: np.ndarray = probabilities[window.own - window.first : window.own_end - window.first]
        return labels
