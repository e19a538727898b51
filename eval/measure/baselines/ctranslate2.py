"""``ctranslate2``, ``ctranslate2-int8``: the encoder in CTranslate2, which removes padding itself, and our classifier.

Each worker is a process of its own. In our process, CTranslate2 would share OpenMP with torch. With more threads than
processors, idle threads sleep between operations, and torch took up to twice as long even while CTranslate2 was idle.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from transformers import PreTrainedModel

from engine.errors import InputError
from engine.model.packing import RaggedBatch
from engine.tagger import Engine
from eval.measure.baselines import base
from eval.measure.baselines.base import Baseline, Forward, Inputs, RuntimeParameters

INT8 = "ctranslate2-int8"
CONVERTED = ("bert", "distilbert", "xlm-roberta")


def load(name: str, inputs: Inputs) -> Baseline:
    """CTranslate2 on the CPU."""
    engine, runtime = inputs.engine, base.package("ctranslate2", name)
    model: Any = engine.plain_model()
    family = model.config.model_type
    if family not in CONVERTED:
        raise InputError(f"expected {name} of one of the families {', '.join(CONVERTED)}, got {family}; leave it out")
    folder = inputs.folder / "ctranslate2"
    if not folder.is_dir():
        _convert(model, engine, folder, name)
    classifier = _classifier(model, engine)
    threads = torch.get_num_threads()
    compute_type = "int8_float32" if name == INT8 else "float32"

    def start(parameters: RuntimeParameters) -> Forward:
        workers = int(parameters["workers"])
        own_threads = max(1, threads // workers)
        processes = ProcessPoolExecutor(
            workers,
            get_context("spawn"),
            initializer=_load_in_worker,
            initargs=(str(folder), compute_type, own_threads, *classifier),
        )
        # For NumPy in the classifier, whose further threads would spin after each call.
        environment = {"OPENBLAS_NUM_THREADS": "1"}
        if own_threads > 1:  # after a pause, unbound threads wake on one processor and spread only after 20 ms
            environment |= {"OMP_PROC_BIND": "spread", "OMP_PLACES": "threads"}
        with patch.dict(os.environ, environment):
            wait([processes.submit(int) for _ in range(workers)])  # each task starts a process

        def forward(batch: RaggedBatch) -> np.ndarray:
            ids = [one.tolist() for one in np.split(batch.input_ids, np.cumsum(batch.lengths)[:-1])]
            window, row = batch.window_of_rows()[batch.first], batch.position[batch.first]
            return processes.submit(_logits, ids, window, row).result()

        return forward

    settings = {
        "threads": f"{threads} over all workers, each a process",
        "compute_type": compute_type,
        "ctranslate2": runtime.__version__,
    }
    return base.on_runtime(name, engine, start, settings, base.runtime_candidates())


def _classifier(model: Any, engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Weight ``(hidden, labels)`` and bias ``(labels,)``."""
    columns = list(engine.label_order)
    weight, bias = (value.detach().numpy()[columns] for value in (model.classifier.weight, model.classifier.bias))
    return np.ascontiguousarray(weight.T), bias


_loaded: dict[str, Any] = {}  # in the process of a worker


def _load_in_worker(folder: str, compute_type: str, threads: int, weight: np.ndarray, bias: np.ndarray) -> None:
    runtime = base.package("ctranslate2", "ctranslate2")
    encoder = runtime.Encoder(folder, device="cpu", compute_type=compute_type, intra_threads=threads)
    _loaded.update(encoder=encoder, weight=weight, bias=bias)


def _logits(ids: list[list[int]], window: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Logits ``(words, labels)`` of the given rows of windows, at which words begin."""
    hidden = np.asarray(_loaded["encoder"].forward_batch(ids).last_hidden_state)
    logits: np.ndarray = hidden[window, row] @ _loaded["weight"] + _loaded["bias"]
    return logits


def _convert(model: PreTrainedModel, engine: Engine, folder: Path, name: str) -> None:
    """Converts a model; CTranslate2 reads it from a folder as older versions of transformers wrote it."""
    converters, checkpoint = base.package("ctranslate2.converters", name), folder.with_name("checkpoint")
    config: Any = model.config
    config.position_embedding_type = "absolute"
    model.save_pretrained(checkpoint)
    engine.tokenizer.save_pretrained(checkpoint)
    try:
        with base.quiet():
            converters.TransformersConverter(str(checkpoint)).convert(str(folder))
    except (ValueError, AttributeError, AssertionError, KeyError, RuntimeError, OSError) as error:
        raise base.conversion_error("CTranslate2", config.model_type, name, error) from error
