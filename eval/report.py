"""F1 against latency of every strategy on a corpus: ``python -m eval.report``.

Without arguments: the shipped weights on the small sample corpus that comes with the project.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from engine.controllers import RandomController
from engine.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.strategies import PRUNING, Strategy
from engine.tagger import DTYPES, Engine, load_engine
from eval import environment
from eval.evaluate import Measured, document_rows, evaluate, number_of_calls, row
from eval.latency import PASSES
from eval.markdown import SAMPLE_NOTE, report, results_table
from eval.options import add_inputs
from eval.plots import plot_f1_vs_latency
from eval.statistics import f1_difference_interval, f1_interval

SAMPLE = Path(__file__).resolve().parent / "sample" / "sample.pubtator.txt"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.report", description=__doc__)
    add_inputs(parser, corpus=None, split="test")
    parser.add_argument(
        "--strategies",
        help="comma-separated: dense,hf,rule,entropy,mlp,entropy+recovery,random,random@rule,truncate-3,…; "
        "dense always runs",
    )
    parser.add_argument("--point", help="operating point of rule, entropy and mlp (default balanced)")
    parser.add_argument("--lambda", dest="lambda_", type=float, help="λ of rule")
    parser.add_argument("--min-keep-ratio", type=float, help="share of words that stay to the end at least")
    parser.add_argument("--set", action="append", default=[], metavar="STRATEGY.KNOB=VALUE", help="any other setting")
    parser.add_argument("--batch-size", default="1,32", help="texts per call, comma-separated (default 1,32)")
    parser.add_argument("--types", help="entity types to score, comma-separated; default: those the corpus annotates")
    parser.add_argument("--skip-bad", action="store_true", help="leave out broken documents with a warning")
    parser.add_argument("--threads", type=int, help="processor threads (default: torch's)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dtype", default="float32", choices=list(DTYPES))
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--out", default="results", help="folder for the results (default results)")
    return parser


def _knobs(arguments: argparse.Namespace, running: set[str]) -> dict[str, dict[str, Any]]:
    """Settings for each pruning strategy that runs, from ``--lambda``, ``--min-keep-ratio`` and ``--set``."""
    knobs: dict[str, dict[str, Any]] = {name: {} for name in PRUNING if name in running}
    wanted: list[tuple[str, str, Any]] = []
    if arguments.lambda_ is not None:
        with_lambda = [name for name in knobs if name.startswith("rule")]
        wanted += [(name, "lambda_", arguments.lambda_) for name in with_lambda or ["rule"]]
    if arguments.min_keep_ratio is not None:
        wanted += [(name, "min_keep_ratio", arguments.min_keep_ratio) for name in knobs or PRUNING]
    wanted += [_setting(text) for text in arguments.set]
    for name, knob, value in wanted:
        if name not in knobs:
            raise InputError(
                f"expected settings for pruning strategies that run ({sorted(knobs)}), got some for {name!r}; "
                "add it to --strategies, or leave them out"
            )
        knobs[name][knob] = value
    return knobs


def _setting(text: str) -> tuple[str, str, Any]:
    target, equals, value = text.partition("=")
    name, dot, knob = target.partition(".")
    if not (equals and dot and name and knob):
        raise InputError(f"expected --set STRATEGY.KNOB=VALUE, got {text!r}; write e.g. entropy.neighbours=2")
    listed = knob == "gates" or "," in value
    try:
        parsed = json.loads(f"[{value}]" if listed else value.lower())
    except ValueError:
        parsed = value  # a word, such as a trigger
    if parsed is None or (listed and isinstance(parsed, str)):
        raise InputError(f"expected a number, true, false, a word or numbers with commas, got {value!r}; mend {target}")
    return name, "lambda_" if knob == "lambda" else knob, parsed


def _numbers(text: str, option: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"expected whole numbers after {option}, got {text!r}; write e.g. 1,32") from error
    if not numbers or min(numbers) < 1 or len(set(numbers)) < len(numbers):
        raise InputError(f"expected different numbers of 1 or more after {option}, got {text!r}; write e.g. 1,32")
    return numbers


def choose_strategies(engine: Engine, arguments: argparse.Namespace) -> list[Strategy]:
    """The strategies as typed, ``dense`` among them, with all settings; ``random`` replays the first pruning one.

    Raises:
        InputError: unknown names or knobs, or a setting for a strategy that does not run.
    """
    layers = engine.encoder.num_layers
    if arguments.strategies:
        names = [name.strip() for name in arguments.strategies.split(",") if name.strip()]
    elif engine.model.has_gates:
        names = ["dense", "hf", "rule", "entropy", "random", f"truncate-{max(1, layers // 2)}"]
    else:
        names = ["dense", "hf"]
    names = list(dict.fromkeys(names if "dense" in names else ["dense", *names]))
    replayed = next((name for name in names if name in PRUNING), "entropy")
    running = {*names, *(name.partition("@")[2] or replayed for name in names if name.startswith("random"))}
    knobs = _knobs(arguments, running)
    strategies = []
    for name in names:
        if name.partition("@")[0] == "random":
            reference = name.partition("@")[2] or replayed
            strategies.append(
                engine.random(name, engine.strategy(reference, arguments.point, **knobs.get(reference, {})))
            )
        else:
            strategies.append(engine.strategy(name, arguments.point, **knobs.get(name, {})))
    return strategies


def load_scored_corpus(arguments: argparse.Namespace) -> Corpus:
    """The corpus to evaluate, its types those that are scored.

    Raises:
        InputError: no documents, or nothing to score.
    """
    corpus = load_corpus(
        arguments.corpus or str(SAMPLE),
        arguments.split,
        arguments.data_dir,
        skip_bad=arguments.skip_bad,
        limit=arguments.limit,
    )
    types = tuple(part.strip() for part in arguments.types.split(",")) if arguments.types else corpus.types
    name = corpus.name if arguments.corpus else "sample"
    if not corpus.documents:
        raise InputError(f"expected documents in {name}, got none; choose another file")
    if not types:
        raise InputError(f"expected gold entities in {name}, got none; choose a file with gold, or name --types")
    return Corpus(name, corpus.split, types, corpus.documents, corpus.skipped)


def compare(measured: Measured, reference: Measured, seed: int) -> dict[str, Any]:
    """The row of ``intervals.csv``: F1 and its difference against another strategy, with 95 % intervals."""
    own = f1_interval(measured.counts, seed)
    difference = f1_difference_interval(measured.counts, reference.counts, seed)
    return {
        "strategy": measured.strategy.name,
        "batch_size": measured.batch_size,
        "f1": measured.f1,
        "f1_low": own.low,
        "f1_high": own.high,
        "against": reference.strategy.name,
        "difference": measured.f1 - reference.f1,
        "low": difference.low,
        "high": difference.high,
        "beyond_chance": difference.excludes_zero,
    }


def run(arguments: argparse.Namespace, command: str) -> str:
    """Evaluates and writes all files to ``--out``.

    Returns:
        The table for the terminal.
    """
    sizes = _numbers(arguments.batch_size, "--batch-size")
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"expected --limit 1 or more, got {arguments.limit}; change it")
    if arguments.threads is not None:
        if arguments.threads < 1:
            raise InputError(f"expected --threads 1 or more, got {arguments.threads}; change it")
        torch.set_num_threads(arguments.threads)
    corpus = load_scored_corpus(arguments)
    engine = load_engine(arguments.model, arguments.dtype, arguments.device)
    gold = {entity.type for document in corpus.documents for entity in document.entities}
    if unknown := set(corpus.types) - gold - set(engine.labels.types):
        raise InputError(f"expected types of the gold or the model, got {sorted(unknown)}; mend --types")
    strategies = choose_strategies(engine, arguments)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    load = environment.busy()
    rows: list[dict[str, Any]] = []
    intervals: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    with tqdm(total=number_of_calls(corpus, strategies, sizes), desc="calls", disable=None) as bar:
        for size in sizes:
            measured = {one.strategy.name: one for one in evaluate(engine, corpus, strategies, size, bar.update)}
            rows += [row(one, measured["dense"], engine, corpus, arguments.seed) for one in measured.values()]
            intervals += [compare(one, measured["dense"], arguments.seed) for one in measured.values()]
            for name, one in measured.items():
                controller = one.strategy.controller
                if isinstance(controller, RandomController) and controller.replays.name in measured:
                    intervals.append(compare(measured[controller.replays.name], measured[name], arguments.seed))
            pd.DataFrame(rows).to_csv(out / "results.csv", index=False)
            pd.DataFrame(intervals).to_csv(out / "intervals.csv", index=False)
            documents += [record for one in measured.values() for record in document_rows(one, corpus)]
            pd.DataFrame(documents).to_csv(out / "documents.csv", index=False)
    plot_f1_vs_latency(out / "results.csv", out / "f1_vs_latency.png")
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    if load > 0.5:
        notes.append(f"The machine was busy when this began (load {load:.1f} per core): distrust the times.")
    if corpus.skipped:
        notes.append(f"{corpus.skipped} broken documents were left out.")
    about = {
        "command": f"`{command}`",
        "model": f"{Path(engine.source).name}",
        "settings": "; ".join(
            f"`{s.name}` {json.dumps({key: part for key, part in s.to_json().items() if key not in ('name', 'point')})}"
            for s in strategies
            if s.name in PRUNING
        )
        or "none",
        "documents": str(len(corpus.documents)),
        "scored types": ", ".join(corpus.types),
        "device, dtype, threads": f"{rows[0]['device']}, {rows[0]['dtype']}, {rows[0]['threads']}",
        "versions": f"torch {rows[0]['torch']}, transformers {rows[0]['transformers']}, commit {rows[0]['commit']}",
        "timing": f"variants interleaved batch by batch, order rotated; a discarded pass, then the median of {PASSES}",
        "seed of the bootstrap": str(arguments.seed),
    }
    (out / "report.md").write_text(report(rows, intervals, about, notes))
    files = "\n".join(str(out / name) for name in ("results.csv", "intervals.csv", "f1_vs_latency.png", "report.md"))
    return "\n\n".join([*notes, results_table(rows, intervals), files])


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = _parser().parse_args(argv)
    command = shlex.join(["python", "-m", "eval.report", *(sys.argv[1:] if argv is None else argv)])
    try:
        print(run(arguments, command))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
