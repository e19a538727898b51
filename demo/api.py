"""The HTTP API, ``/tag``: lets programs do what the page does."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gradio as gr

from demo.markup import printable
from demo.run import MAX_CHARACTERS, MAX_TRACED, check_text, tag_batch
from demo.settings import TRIGGERS
from engine import Engine, Entity, InputError, Result
from engine.models.shipped import short_name
from engine.pruning.trace import WordScores

TAG = f"""Tags one text.

Args:
    text: up to {MAX_CHARACTERS:,} characters.
    strategy: a name that the page offers, such as entropy, entropy+recovery or dense; it may include an operating
        point: entropy:fast. Default: the one with which the page opens.
    point: operating point, also of the default strategy: careful, balanced or fast; another than the strategy names is
        refused. Default: balanced, or the first one that the weights have.
    lambda_: λ, for strategies that have it; a larger λ prunes more. Default: the operating point's.
    min_keep_ratio: minimum share of the words that go through every layer, 0–1. Default: the operating point's.
    trigger: when recovery brings words back: {", ".join(TRIGGERS)}. Default: the operating point's.
    trace: whether to include, for every word, the layer after which it exited and its scores at each gate; for texts
        of up to {MAX_TRACED:,} characters.
    model: the weights, which decide what is found: {{models}}. Default: those of the first page.

Returns: entities (start, end, type, text, score), the strategy's settings, the number of words, token_layers,
token_layers_kept, macs, latency_ms of this call, and the trace if requested."""
COLUMNS = ("start", "end", "type", "text", "score")


def entity_row(entity: Entity) -> tuple[int, int, str, str, float]:
    """An entity in the order of ``COLUMNS``, its score with four digits."""
    return entity.start, entity.end, entity.type, printable(entity.text), round(entity.score, 4)


def result_record(result: Result) -> dict[str, Any]:
    """The entities with exact scores, the settings that found them, and the cost."""
    cost = result.cost
    return {
        "entities": [
            dict(zip(COLUMNS, entity_row(entity), strict=True)) | {"score": entity.score} for entity in result.entities
        ],
        "strategy": result.strategy.to_json(),
        "words": len(result.words),
        "token_layers": cost.token_layers,
        "token_layers_kept": cost.token_layers_kept,
        "macs": cost.macs,
        "latency_ms": result.latency.total_ms,
    }


def trace_record(result: Result) -> list[dict[str, Any]]:
    """Every word with its offsets, word pieces, layer, state, label, and scores at each gate.

    The HTTP API keeps the names ``left`` (exited) and ``need`` (importance) of its first version.
    """
    return [
        asdict(word)
        | {"text": printable(word.text), "state": "left" if word.state == "exited" else word.state}
        | {"gates": [_gate_record(gate) for gate in word.gates]}
        for word in result.trace.words
    ]


def _gate_record(gate: WordScores) -> dict[str, Any]:
    need = gate.importance if math.isfinite(gate.importance) else None  # JSON has no infinity
    about = {"layer": gate.layer, "label": gate.label, "probability": gate.confidence}
    return about | {"need": need, "left": gate.exited}


def build_api(engines: Sequence[Engine]) -> None:
    """Adds the function to the Blocks under construction; by default, the first engine answers."""
    models = {Path(short_name(engine.source)).name: engine for engine in engines}
    first, default = next(iter(models)), engines[0].default_strategy

    def on_tag(
        text: str,
        strategy: str = default,
        point: str | None = None,
        lambda_: float | None = None,
        min_keep_ratio: float | None = None,
        trigger: str | None = None,
        trace: bool = False,
        model: str = first,
    ) -> dict[str, Any]:
        try:  # callers may send arguments of any type
            engine = models.get(model) if isinstance(model, str) else None
            if engine is None:
                raise InputError(f"There is no model {model!r} here; leave it out or send one of {', '.join(models)}.")
            if not isinstance(trace, bool):
                raise InputError(f"trace must be true or false, not {trace!r}.")
            settings = {"lambda_": lambda_, "min_keep_ratio": min_keep_ratio, "trigger": trigger}
            selected = engine.strategy(strategy, point, **settings)
            if len(check_text(text)) > MAX_TRACED and trace:
                raise InputError(
                    f"A trace needs a text of at most {MAX_TRACED:,} characters; this one has {len(text):,}."
                )
            (result,) = tag_batch(engine, [text], selected)
            return result_record(result) | ({"trace": trace_record(result)} if trace else {})
        except InputError as error:  # sent to the caller, and not logged
            raise gr.Error(printable(str(error)), print_exception=False) from error

    described = TAG.format(models=" or ".join(models))
    gr.api(on_tag, api_name="tag", api_description=described, concurrency_id="api", concurrency_limit=4)
