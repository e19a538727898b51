"""``hf-pipeline``: the ``pipeline`` of transformers as its users call it, texts in, groups of entities out.

Words are its own, and each has the label of its first piece. Long texts are read in overlapping windows.
"""

from collections.abc import Sequence
from typing import Any

import torch

from engine.models.tokenizer import load_tokenizer
from engine.pytorch.checkpoint import load_huggingface
from engine.text.documents import Entity
from engine.text.labels import label_parts
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, encodable
from eval.record import Prediction, Variant
from eval.schema import BASELINE

BATCH_SIZES = (1, 4, 16)  # of the pipeline
IOB2 = {"S": "B", "E": "I"}  # the only prefixes that the pipeline joins


def load(inputs: Inputs) -> Baseline:
    """``hf-pipeline``, in the engine's dtype for layers that are not quantised."""
    from transformers import pipeline

    engine = inputs.engine
    dtype = "float32" if engine.device == "cpu" else engine.dtype
    tokenizer: Any = load_tokenizer(engine.folder.path)
    tokenizer.model_max_length = engine.pieces.capacity + 2
    model: Any = load_huggingface(engine.folder.path)
    for index, name in zip(engine.folder.label_order, engine.labels.names, strict=True):
        prefix, type_ = label_parts(name)
        model.config.id2label[index] = f"{IOB2.get(prefix, prefix)}-{type_}" if type_ else name
    tagger: Any = pipeline(
        "token-classification",
        model=model.to(getattr(torch, dtype)),
        tokenizer=tokenizer,
        device=engine.device,
        aggregation_strategy="first",
        stride=engine.pieces.capacity // 4,
    )

    def run(texts: Sequence[str], parameters: RuntimeParameters) -> list[Prediction]:
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        groups = tagger([encodable(texts[index]) for index in order], batch_size=parameters["texts"]) if order else []
        by_index = dict(zip(order, groups, strict=True))
        return [Prediction(tuple(entity(text, group) for group in by_index[n])) for n, text in enumerate(texts)]

    settings = {
        "input": "texts sorted by length, `texts` at a time; long ones in windows that overlap by a quarter",
        "aggregation_strategy": "first",
        "threads": str(torch.get_num_threads()),
        "dtype": dtype,
    }
    variant = Variant(inputs.name, BASELINE, dtype, engine.device, settings=settings)
    return Baseline(variant, run, tuple({"texts": texts} for texts in BATCH_SIZES))


def entity(text: str, group: dict[str, Any]) -> Entity:
    """Converts a group; some tokenizers begin it with the blank before its first word."""
    start, end = group["start"], group["end"]
    start += len(text[start:end]) - len(text[start:end].lstrip())
    return Entity(start, end, group["entity_group"], text[start:end], float(group["score"]))
