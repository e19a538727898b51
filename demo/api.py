"""The HTTP API, ``/tag``: lets programs do what the page does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.limits import API_WORK, MAX_CHARACTERS, MAX_TRACED, check_text, check_trace
from demo.common.markup import printable
from demo.common.runs import tag_batch
from demo.common.serialization import result_record, trace_record
from demo.settings import TRIGGERS
from engine import Engine, InputError
from engine.models.shipped import short_name

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
                raise InputError(f"expected model as one of {[*models]}, got {model!r}; send one or leave it out")
            if not isinstance(trace, bool):
                raise InputError(f"expected trace as true or false, got {trace!r}; send one of them or leave it out")
            settings = {"lambda_": lambda_, "min_keep_ratio": min_keep_ratio, "trigger": trigger}
            chosen = engine.strategy(strategy, point, **settings)
            if trace:
                check_trace(len(check_text(text)))
            (result,) = tag_batch(engine, [check_text(text)], chosen)
            return result_record(result) | ({"trace": trace_record(result)} if trace else {})
        except InputError as error:  # sent to the caller, and not logged
            raise gr.Error(printable(str(error)), print_exception=False) from error

    gr.api(on_tag, api_name="tag", api_description=TAG.format(models=" or ".join(models)), **API_WORK)
