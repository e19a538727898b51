"""``engine.pipeline`` in place of ``transformers.pipeline("token-classification", aggregation_strategy="first")``."""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engine.base import Engine
from engine.errors import InputError
from engine.loading import load_engine
from engine.pruning.strategy import Strategy
from engine.result import Result

_LOG = logging.getLogger(__name__)


def pipeline(
    task: str = "token-classification",
    model: str | Path | Engine | None = None,
    *,
    strategy: str | Strategy | None = None,
    point: str | None = None,
    aggregation_strategy: str = "first",
    batch_size: int = 32,
    decoder: str = "transformers",
    **options: Any,
) -> Callable[[str | Iterable[str]], list[Any]]:
    """Returns a callable that maps a text to its entity groups, and texts to a list of these.

    A group is a dictionary: ``entity_group``, the type; ``score``, 0–1; ``word``, as the tokenizer spells it; ``start``
    and ``end`` in characters. A text beyond the encoder's limit is read whole.

    Args:
        task: ``token-classification``, or ``ner``, which is the same.
        model: a folder, a hub id, the short name of shipped weights, or an engine; ``None`` is chemicals-diseases.
        strategy, point: see `Engine.strategy`.
        aggregation_strategy: ``first``; ``simple`` means the same here, with a warning.
        batch_size: texts a call, which each call can override.
        decoder: ``transformers``, in which each word has its likeliest label, as in the library; or ``bioner``, that of
            the engine, which makes fewer errors.
        **options: ``dtype``, ``device`` (also the number of a GPU, or −1 for the CPU) and ``labels``, as `load_engine`
            takes them; none of them with an engine.

    Raises an `InputError` if the task, aggregation or an option is not supported, or the model or strategy cannot run.
    """
    if task not in ("token-classification", "ner"):
        raise InputError(f"The task {task!r} is not token-classification; use transformers.pipeline.")
    aggregation = str(aggregation_strategy).rpartition(".")[2].lower()
    if aggregation == "simple":
        _LOG.warning("aggregation_strategy='simple' is taken as 'first': entities of whole words.")
    elif aggregation != "first":
        raise InputError(f"aggregation_strategy={aggregation_strategy!r} is not supported; leave it out.")
    if decoder not in ("transformers", "bioner"):
        raise InputError(f"The decoder {decoder!r} is unknown; write decoder='transformers' or 'bioner'.")
    options = {name: value for name, value in options.items() if value is not None}
    known = () if isinstance(model, Engine) else ("dtype", "device", "labels")
    if unknown := options.keys() - known:
        raise InputError(f"With this model, leave out the option {', '.join(sorted(unknown))}.")
    if (device := options.get("device")) is not None:  # a name, a number or a torch.device
        options["device"] = str(device) if not isinstance(device, int) else "cpu" if device < 0 else f"cuda:{device}"
    engine = model if isinstance(model, Engine) else load_engine(model, **options)
    chosen = engine.strategy(strategy, point)

    def tag(texts: str | Iterable[str], batch_size: int = batch_size) -> list[Any]:
        several = [texts] if isinstance(texts, str) else texts
        results = engine.tag_batch(several, chosen, batch_size=batch_size)
        groups = [_groups(result, engine, plain=decoder == "transformers") for result in results]
        return groups[0] if isinstance(texts, str) else groups

    return tag


def _groups(result: Result, engine: Engine, plain: bool) -> list[dict[str, Any]]:
    """The entity groups of a result, decoded as the engine does or ``plain``, each word by its likeliest label."""
    probabilities, starts, groups = result.probabilities, [start for start, _ in result.words], []
    labels = probabilities.argmax(axis=1) if plain else result.decoded.labels
    scores = probabilities[np.arange(len(labels)), labels]
    entities = engine.labels.decode(result.text, result.words, probabilities) if plain else result.entities
    for entity in entities:
        inside = slice(bisect_left(starts, entity.start), bisect_left(starts, entity.end))
        word = engine.pieces.spelled([result.text[start:end] for start, end in result.words[inside]])
        group = {"entity_group": entity.type, "score": float(scores[inside].mean()), "word": word}
        groups.append(group | {"start": entity.start, "end": entity.end})
    return groups
