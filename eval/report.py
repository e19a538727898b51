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

from engine.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.strategies import PRUNING, Strategy
from engine.tagger import DTYPES, Engine, load_engine
from eval import environment
from eval.evaluate import evaluate, number_of_calls, row
from eval.markdown import SAMPLE_NOTE, report, results_table
from eval.plots import plot_f1_vs_latency
from eval.statistics import f1_difference_interval

logger = logging.getLogger(__name__)

SAMPLE = Path(__file__).resolve().parent / "sample" / "sample.pubtator.txt"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.report", description=__doc__)
    parser.add_argument("--corpus", help="bc5cdr, ncbi-disease or a file; default: the sample corpus")
    parser.add_argument("--split", default="test", help="train, dev, test; bc5cdr also fit, calib (default test)")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument("--model", help="folder or hub id; default: the shipped weights")
    parser.add_argument(
        "--strategies", help="comma-separated: dense,hf,rule,entropy,random,random@rule,truncate-3,…; dense always runs"
    )
    parser.add_argument("--point", help="operating point of rule and entropy (default balanced)")
    parser.add_argument("--lambda", dest="lambda_", type=float, help="λ of rule")
    parser.add_argument("--min-keep-ratio", type=float, help="share of words that stay to the end, rule and entropy")
    parser.add_argument("--set", action="append", default=[], metavar="STRATEGY.KNOB=VALUE", help="any other setting")
    parser.add_argument("--batch-size", default="1,32", help="texts per call, comma-separated (default 1,32)")
    parser.add_argument("--limit", type=int, help="first N documents only")
    parser.add_argument("--types", help="entity types to score, comma-separated; default: those the corpus annotates")
    parser.add_argument("--skip-bad", action="store_true", help="leave out broken documents with a warning")
    parser.add_argument("--threads", type=int, help="processor threads (default: torch's)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dtype", default="float32", choices=list(DTYPES))
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--out", default="results", help="folder for the results (default results)")
    return parser


def _knobs(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Settings for each strategy from ``--lambda``, ``--min-keep-ratio`` and ``--set``."""
    knobs: dict[str, dict[str, Any]] = {"rule": {}, "entropy": {}}
    if arguments.lambda_ is not None:
        knobs["rule"]["lambda_"] = arguments.lambda_
    if arguments.min_keep_ratio is not None:
        for name in PRUNING:
            knobs[name]["min_keep_ratio"] = arguments.min_keep_ratio
    for setting in arguments.set:
        target, equals, value = setting.partition("=")
        name, dot, knob = target.partition(".")
        if not (equals and dot and name and knob):
            raise InputError(f"expected --set STRATEGY.KNOB=VALUE, got {setting!r}; write e.g. entropy.neighbours=2")
        if name not in knobs:
            raise InputError(f"expected a strategy with knobs out of {list(PRUNING)}, got {name!r}; mend --set")
        try:
            parsed = json.loads(f"[{value}]" if knob == "gates" else value.lower())
        except ValueError as error:
            raise InputError(
                f"expected a number, true, false or comma-separated gates, got {value!r}; mend --set {target}"
            ) from error
        knobs[name]["lambda_" if knob == "lambda" else knob] = parsed
    return knobs


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
        depths = sorted({max(1, layers // 2), max(1, layers * 2 // 3)})
        names = ["dense", "hf", "rule", "entropy", "random", *(f"truncate-{k}" for k in depths if k < layers)]
    else:
        names = ["dense", "hf"]
    names = list(dict.fromkeys(names if "dense" in names else ["dense", *names]))
    knobs = _knobs(arguments)
    replayed = next((name for name in names if name in PRUNING), "entropy")
    running = {*names, *(name.partition("@")[2] or replayed for name in names if name.startswith("random"))}
    if idle := [name for name, settings in knobs.items() if settings and name not in running]:
        raise InputError(f"expected settings for strategies that run, got some for {idle}; add them to --strategies")
    strategies = []
    for name in names:
        if name.partition("@")[0] == "random":
            reference = name.partition("@")[2] or replayed
            strategies.append(engine.random(name, engine.strategy(reference, arguments.point, **knobs[reference])))
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
    types = tuple(arguments.types.split(",")) if arguments.types else corpus.types
    name = corpus.name if arguments.corpus else "sample"
    if not corpus.documents:
        raise InputError(f"expected documents in {name}, got none; choose another file")
    if not types:
        raise InputError(f"expected gold entities in {name}, got none; choose a file with gold, or name --types")
    return Corpus(name, corpus.split, types, corpus.documents, corpus.skipped)


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
    strategies = choose_strategies(engine, arguments)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    load = environment.busy()
    rows: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    calls = number_of_calls(corpus, strategies, sizes)
    with tqdm(total=calls, desc="calls", disable=None) as bar:
        for measured in evaluate(engine, corpus, strategies, sizes, lambda: bar.update()):
            dense = next(m for m in measured if m.strategy.name == "dense")
            reference = [run.by_document for run in dense.runs]
            for one in measured:
                rows.append(row(one, dense, engine, corpus, arguments.seed))
                runs = [run.by_document for run in one.runs]
                interval = f1_difference_interval(runs, reference, arguments.seed)
                difference = {"strategy": one.strategy.name, "batch_size": one.batch_size}
                difference["difference"] = rows[-1]["f1"] - dense.runs[0].total.f1
                differences.append(difference | {"low": interval.low, "high": interval.high})
            pd.DataFrame(rows).to_csv(out / "results.csv", index=False)
            pd.DataFrame(differences).to_csv(out / "differences.csv", index=False)
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
            f"`{s.name}` {json.dumps(s.to_json()['controller'])} after layers {list(s.gates)}"
            for s in strategies
            if s.name in PRUNING
        )
        or "none",
        "documents": str(len(corpus.documents)),
        "scored types": ", ".join(corpus.types),
        "device, dtype, threads": f"{rows[0]['device']}, {rows[0]['dtype']}, {rows[0]['threads']}",
        "versions": f"torch {rows[0]['torch']}, transformers {rows[0]['transformers']}, commit {rows[0]['commit']}",
        "timing": "variants interleaved batch by batch, order rotated; one discarded pass, median of three timed ones",
        "seed of the bootstrap": str(arguments.seed),
    }
    (out / "report.md").write_text(report(rows, differences, about, notes))
    files = "\n".join(str(out / name) for name in ("results.csv", "differences.csv", "f1_vs_latency.png", "report.md"))
    return "\n\n".join([*notes, results_table(rows, differences), files])


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
