"""Times what the head of the page compares with on the visitor's text: dense in float32 and Hugging Face's pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from demo.common.differences import Candidate
from demo.common.limits import MAX_REFERENCED, check_text
from demo.common.markup import escape, number_of, printable
from demo.common.timing import PAGE, UNTIMED, Wanted, in_turns, middle, speedup
from demo.common.turns import SharedEngine
from demo.tabs.compare.card import said, span
from engine import InputError, load_engine
from engine.pytorch.tokenizer import load_tokenizer

STRIDE = 64  # word pieces that two windows of the pipeline share


class References:
    """The model of a page in float32, and in Hugging Face's pipeline; both are loaded when they are first timed."""

    def __init__(self, engine: SharedEngine) -> None:
        self.engine = engine

    @cached_property
    def full(self) -> SharedEngine:
        """The engine in float32."""
        if self.engine.dtype == "float32":
            return self.engine
        labels = self.engine.labels_file or None
        return self.engine.beside(load_engine(self.engine.source, "float32", self.engine.device, labels))

    @cached_property
    def pipeline(self) -> Callable[[str], object]:
        """``transformers.pipeline`` with the plain model, which reads texts of any length in windows."""
        from transformers import pipeline

        tokenizer: Any = load_tokenizer(self.engine.folder)
        tokenizer.model_max_length = self.engine.pieces.capacity + 2
        model: Any = self.engine.plain_model()
        made: Callable[[str], object] = pipeline(
            "token-classification",
            model=model,
            tokenizer=tokenizer,
            device=self.engine.device,
            aggregation_strategy="simple",
            stride=STRIDE,
        )
        return made

    def compare(self, text: str, own: Candidate, wanted: Wanted = lambda: True) -> str:
        """Says how fast a strategy is beside both references; empty if the result is no longer wanted.

        Raises:
            InputError: if the text cannot be tagged or is too long.
        """
        if len(check_text(text)) > MAX_REFERENCED:
            raise InputError(f"The references are timed on texts of up to {MAX_REFERENCED:,} characters. Shorten it.")
        timers: list[Callable[[], float]] = [
            lambda: self.engine.tag(text, own.strategy).latency.total_ms,
            lambda: self.full.tag(text, "dense").latency.total_ms,
            partial(self.engine.in_turn, partial(self._time_pipeline, printable(text))),
        ]
        in_turns(timers, UNTIMED, wanted)
        ours, *others = in_turns(timers, PAGE, wanted)
        if not ours:
            return ""
        names = ("<code>dense (float32)</code>", "the Hugging Face pipeline (float32)")
        found = " and ".join(
            f"{said(speedup(ours, other))} {name} with {span(middle(other))} ms"
            for name, other in zip(names, others, strict=True)
        )
        return (
            f'<p class="references"><code>{escape(own.label)}</code>, {span(middle(ours))} ms, is {found}: '
            f"{number_of(len(ours), 'run')} of each in turn.</p>"
        )

    def _time_pipeline(self, text: str) -> float:
        begin = time.perf_counter()
        self.pipeline(text)
        return 1e3 * (time.perf_counter() - begin)
