"""Where the time of a call goes, by component: ``python -m eval.profile --strategies dense,entropy``.

Tokenization, embedding, layers, recovery (its choice and its reruns, layers included) and decoding are timed around the
engine's own functions; ``gates`` is what is left of the encoder's time (label heads, decisions, removal), ``rest`` what
is left of the call.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import torch
from tqdm import tqdm

from engine import tagger
from engine.data.corpora import load_corpus
from engine.errors import InputError
from engine.pruning import forward as pruning
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, load_engine
from eval.options import add_inputs

PASSES = 3
COMPONENTS = ("tokenization", "embedding", "layers", "gates", "recovery", "decoding", "rest")


@contextmanager
def timers(engine: Engine) -> Iterator[dict[str, float]]:
    """Milliseconds by component, added up over the calls within."""
    spent: dict[str, float] = defaultdict(float)
    running: list[str] = []  # what runs within a component counts as that component

    def now() -> float:
        if engine.device.type == "cuda":
            torch.cuda.synchronize(engine.device)
        return time.perf_counter()

    def timed(component: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if running:
                return function(*arguments)
            running.append(component)
            begin = now()
            result = function(*arguments)
            spent[component] += (now() - begin) * 1e3
            running.pop()
            return result

        return call

    places: list[tuple[str, Any, str]] = [
        ("tokenization", tagger, "split_words"),
        ("tokenization", engine.pieces, "windows"),
        ("embedding", engine.encoder, "embed"),
        ("layers", engine.encoder, "layer"),
        ("recovery", Recovery, "choose"),
        ("recovery", pruning, "recover"),
        ("decoding", engine.labels, "decode"),
    ]
    with ExitStack() as stack:
        for component, owner, name in places:
            stack.enter_context(patch.object(owner, name, timed(component, getattr(owner, name))))
        yield spent


def profile(
    engine: Engine, texts: Sequence[str], strategies: Sequence[Strategy], batch_size: int
) -> Iterator[dict[str, Any]]:
    """One row for each strategy and component: ms a document, and share of the call. A discarded pass comes first."""
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    totals: dict[str, dict[str, float]] = {strategy.name: defaultdict(float) for strategy in strategies}
    for number in tqdm(range(PASSES + 1), desc=f"passes, batch {batch_size}", disable=None):
        for batch in batches:
            for strategy in strategies:
                with timers(engine) as spent:
                    latency = engine.tag_batch(batch, strategy, batch_size=batch_size)[0].latency
                if number:
                    inside = spent["embedding"] + spent["layers"] + spent["recovery"]
                    known = latency.encoder_ms + spent["tokenization"] + spent["decoding"]
                    rests = {"gates": latency.encoder_ms - inside, "rest": latency.total_ms - known}
                    for component, ms in (spent | rests).items():
                        totals[strategy.name][component] += ms
    for name, components in totals.items():
        whole = sum(components.values())
        for component in COMPONENTS:
            ms = components[component]
            row: dict[str, Any] = {"strategy": name, "batch_size": batch_size, "component": component}
            yield row | {"ms_per_document": ms / len(texts) / PASSES, "share": ms / whole}


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.profile", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument("--strategies", default="dense,entropy", help="comma-separated")
    parser.add_argument("--point", help="operating point (default balanced)")
    parser.add_argument("--out", type=Path, help="CSV file to write as well")
    arguments = parser.parse_args(argv)
    try:
        engine = load_engine(arguments.model)
        corpus = load_corpus(arguments.corpus, arguments.split, arguments.data_dir, limit=arguments.limit)
        strategies = [engine.strategy(name, arguments.point) for name in arguments.strategies.split(",")]
        if "hf" in arguments.strategies.split(","):
            raise InputError("expected strategies of our own encoder, got 'hf'; leave it out")
        texts = [document.text for document in corpus.documents]
        table = pd.DataFrame(row for size in (1, 32) for row in profile(engine, texts, strategies, size))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    for value in ("ms_per_document", "share"):
        wide = table.pivot_table(index=["batch_size", "strategy"], columns="component", values=value)[list(COMPONENTS)]
        print(f"{value}\n{wide.round(3).to_string()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
