"""``decoding.json`` of a model folder: how its label distributions become entities.

``labels``: names of the model's labels. ``transitions``: scores of a label (column) after another (row), in their
order. ``abbreviations``: whether short forms are labelled as their long forms. Without the file there are no scores,
and short forms are left as they are.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import explained
from engine.text.decoding import Decoder
from engine.text.labels import LabelSet, normalised

DECODING = "decoding.json"


def read_decoder(
    folder: Path, labels: LabelSet, constraints: bool = True, abbreviations: bool | None = None
) -> Decoder:
    """The decoder of a model folder; ``abbreviations`` is what the file says if it is ``None``.

    Raises an `InputError` if the file is damaged or for other labels.
    """
    path = folder / DECODING
    if not path.is_file():
        return Decoder(labels, None, constraints, bool(abbreviations))
    with explained(f"Cannot use {path}", "Restore it, or delete it to decode without transitions"):
        stored = json.loads(path.read_text(encoding="utf-8"))
        names = normalised(stored["labels"])
        order = [names.index(name) for name in labels.names]
        transitions = np.array(stored["transitions"], float)
        if transitions.shape != (len(order), len(order)) or not np.isfinite(transitions).all():
            raise ValueError(f"transitions are not {len(order)} × {len(order)} numbers")
        if not isinstance(stored["abbreviations"], bool):
            raise ValueError("abbreviations is neither true nor false")
    wanted = stored["abbreviations"] if abbreviations is None else abbreviations
    return Decoder(labels, transitions[np.ix_(order, order)], constraints, wanted)


def write_decoder(folder: Path, decoder: Decoder, counted: Sequence[str]) -> None:
    """Writes the file; ``counted`` names the texts whose transitions were counted."""
    assert decoder.transitions is not None
    rows = [json.dumps([round(score, 4) for score in row]) for row in decoder.transitions.tolist()]
    content: dict[str, Any] = {
        "labels": decoder.labels.names,
        "abbreviations": decoder.abbreviations,
        "counted": counted,
    }
    head = json.dumps(content, indent=2, ensure_ascii=False).removesuffix("\n}")
    joined = ",\n    ".join(rows)
    (folder / DECODING).write_text(f'{head},\n  "transitions": [\n    {joined}\n  ]\n}}\n', encoding="utf-8")
