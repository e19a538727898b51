"""Baselines: other ways to find entities, each at its best settings; one file for each.

Those that run the same weights use our words, windows and decoding. Each one's fastest setting is found by trial, see
`eval.measure.tuning`. They need ``requirements-eval.txt``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import InputError
from engine.tagger import Engine
from eval.measure.baselines import ctranslate2, onnx, openvino, pipeline, spacy
from eval.measure.baselines.base import Baseline, Source

BASELINES: dict[str, Callable[[str, Source], Baseline]] = {
    "hf-pipeline": pipeline.load,
    "onnx": onnx.load,
    "onnx-int8": onnx.load,
    "ctranslate2": ctranslate2.load,
    "ctranslate2-int8": ctranslate2.load,
    "openvino": openvino.load,
    "openvino-int8": openvino.load,
    "spacy": spacy.load,
}


TAKE_ARGUMENT = ("spacy", "openvino", "openvino-int8")


def load_baselines(
    engine: Engine, wanted: Sequence[str], calibration: Callable[[], Sequence[str]], folder: Path
) -> list[Baseline]:
    """Loads baselines for an engine.

    Args:
        engine: of the first dtype.
        wanted: names; ``spacy`` with its model, as ``spacy=FOLDER``; OpenVINO's may cut it: ``openvino=truncate-3``.
        calibration: returns texts of the corpus' training split.
        folder: for their files; must outlive the baselines.

    Raises:
        InputError: unknown name, or a package of ``requirements-eval.txt`` is missing.
    """
    named = [text.partition("=") for text in wanted]
    if unknown := [name for name, _, _ in named if name not in BASELINES]:
        raise InputError(f"expected some of the baselines {list(BASELINES)}, got {unknown}; choose among them")
    if given := [name for name, _, argument in named if argument and name not in TAKE_ARGUMENT]:
        raise InputError(f"expected = only after {', '.join(TAKE_ARGUMENT)}, got it after {given}; leave it out")
    source = Source(engine, folder, calibration)
    return [BASELINES[name](name, replace(source, argument=argument)) for name, _, argument in named]
