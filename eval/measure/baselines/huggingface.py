"""``hf-pipeline``: the ``pipeline`` of transformers as its users call it, texts in, groups of entities out.

Words are its own, and each has the label of its first piece. Long texts are read in overlapping windows. Several texts
may be read by several processes, each on one thread.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from engine.models.tokenizer import load_tokenizer
from engine.pytorch.checkpoint import load_huggingface
from engine.text.documents import Entity
from engine.text.labels import label_parts
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, encodable
from eval.record import Prediction

BATCH_SIZES = (1, 4, 16)  # of the pipeline
IOB2 = {"S": "B", "E": "I"}  # the only prefixes that the pipeline joins

_of_this_process: dict[str, Any] = {}  # the pipeline of a process that reads texts for another


def load(inputs: Inputs) -> Baseline:
    """``hf-pipeline``, in the engine's dtype for layers that are not quantised."""
    engine, threads = inputs.engine, torch.get_num_threads()
    dtype = "float32" if engine.device == "cpu" else engine.dtype
    labels = dict(zip(engine.folder.label_order, engine.labels.names, strict=True))
    make = partial(_pipeline, engine.folder.path, labels, engine.pieces.capacity, dtype, engine.device)
    alone = make()

    @cache
    def pool(processes: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(processes, get_context("spawn"), _begin, (make,))

    def run(texts: Sequence[str], parameters: RuntimeParameters) -> list[Prediction]:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        at_once, processes = parameters["texts"], int(parameters["processes"])
        shares = [order[first::processes] for first in range(min(processes, len(order)))]
        encoded = [[encodable(texts[index]) for index in share] for share in shares]
        if processes == 1:
            groups = [alone(share, batch_size=at_once) for share in encoded]
        else:
            groups = list(pool(processes).map(_tag, encoded, repeat(at_once)))
        by_index = dict(zip(chain(*shares), chain(*groups), strict=True))
        return [Prediction(tuple(entity(text, group) for group in by_index[n])) for n, text in enumerate(texts)]

    settings = {
        "input": "texts sorted by length, `texts` at a time; long ones in windows that overlap by a quarter",
        "aggregation_strategy": "first",
        "threads": f"{threads} over all processes",
    }
    several = dict.fromkeys((1, threads if engine.device == "cpu" else 1))
    candidates = tuple({"texts": texts, "processes": number} for texts in BATCH_SIZES for number in several)
    variant = inputs.variant(settings, dtype, device=engine.device)
    return Baseline(variant, run, candidates, release=pool.cache_clear)


def _pipeline(folder: Path, labels: dict[int, str], capacity: int, dtype: str, device: str) -> Any:
    from transformers import pipeline

    tokenizer: Any = load_tokenizer(folder)
    tokenizer.model_max_length = capacity + 2
    model: Any = load_huggingface(folder)
    for index, name in labels.items():
        prefix, type_ = label_parts(name)
        model.config.id2label[index] = f"{IOB2.get(prefix, prefix)}-{type_}" if type_ else name
    return pipeline(
        "token-classification",
        model=model.to(getattr(torch, dtype)),
        tokenizer=tokenizer,
        device=device,
        aggregation_strategy="first",
        stride=capacity // 4,
    )


def _begin(make: Callable[[], Any]) -> None:
    torch.set_num_threads(1)
    _of_this_process["pipeline"] = make()


def _tag(texts: Sequence[str], at_once: int) -> list[Any]:
    return _of_this_process["pipeline"](texts, batch_size=at_once)


def entity(text: str, group: dict[str, Any]) -> Entity:
    """Converts a group; some tokenizers begin it with the blank before its first word."""
    start, end = group["start"], group["end"]
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return Entity(start, end, group["entity_group"], text[start:end], float(group["score"]))
