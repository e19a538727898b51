"""The inputs of a graph; `engine.export` copies this file with the tagger that needs it."""

import numpy as np

from engine.text.windows import Window, position_ids


def graph_inputs(window: Window, first_position: int) -> dict[str, np.ndarray]:
    """The inputs of every graph for a window; `engine.graph.compose.compose` says what they are."""
    return {
        "input_ids": window.input_ids,
        "position_ids": position_ids(window.input_ids, first_position),
        "position": np.arange(len(window.input_ids)),
        "word": np.where(window.word < 0, window.num_words, window.word),
        "first": window.first_rows,
    }
