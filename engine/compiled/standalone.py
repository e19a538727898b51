"""Tags texts with one exported graph; `engine.export` copies this file with all that it imports.

It needs openvino, tokenizers and numpy.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.slots import least, window_inputs
from engine.text.windows import Window, WordPieces


class Tagger:
    """Finds entities in texts of any length.

    Args:
        folder: the exported folder.
        threads: number of threads; 0 for all processors.
    """

    def __init__(self, folder: Path = Path(__file__).parent, threads: int = 0) -> None:
        self.settings: dict[str, Any] = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        tokens: Any = tuple(self.settings["tokens"])
        tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
        self.pieces = WordPieces(tokenizer, tokens, self.settings["max_rows"])
        self.labels = LabelSet.from_names(self.settings["labels"])
        properties = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(folder / "graph.xml", "CPU", properties)
        self._names = [one.get_any_name() for one in compiled.inputs]
        self._numbers = {name: np.array([one], dtype=np.float32) for name, one in self.settings["numbers"].items()}
        self._request = compiled.create_infer_request()

    def tag(self, text: str) -> tuple[Entity, ...]:
        """Returns the entities of a text, with character offsets."""
        (words,), (windows,) = self.pieces.of_texts([text])
        probabilities = [np.zeros((0, len(self.labels)), dtype=np.float32), *map(self._run, windows)]
        return self.labels.decode(text, words, np.concatenate(probabilities))

    def _run(self, window: Window) -> np.ndarray:
        """Label distributions of the words that a window labels."""
        inputs = window_inputs(window, len(self.labels), self.settings["first_position"]) | self._numbers
        floor = math.ceil(window.words * self.settings["min_keep_ratio"])
        numbers = {"least": least(self.settings["min_exit_ratio"], window.words), "floor": floor}
        for name in self._names:
            if (number := numbers.get(name.rpartition(".")[2])) is not None:
                inputs[name] = np.array([number], dtype=np.float32)
        for index, name in enumerate(self._names):  # tensors share the memory of the arrays, which `inputs` keeps
            self._request.set_input_tensor(index, openvino.Tensor(inputs[name], shared_memory=True))
        self._request.infer()
        found: np.ndarray = self._request.get_output_tensor(0).data[0]
        return found[window.own - window.first : window.own_end - window.first].copy()
