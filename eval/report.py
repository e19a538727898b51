"""F1 against latency of every strategy on a corpus: ``python -m eval.report``.

Without arguments: the shipped weights on the small sample corpus that comes with the project. Killed and started again
with the same ``--out``, it goes on where it was; ``--render-only`` makes the report from the files of a finished run.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from engine.data.corpora import Corpus, load_corpus
from engine.data.formats import WRITERS
from engine.errors import InputError, first_line
from engine.pruning.strategy import PRUNING
from engine.tagger import DTYPES, Engine, load_engine
from eval import ablations
from eval.analysis import run as analysis
from eval.measure import environment
from eval.measure.baselines import load_rivals
from eval.measure.cost import cost_rows, texts_needed
from eval.measure.evaluate import Measured, collect, evaluate, number_of_calls, predictions
from eval.measure.latency import PASSES
from eval.measure.predictions import write_predictions
from eval.measure.runlog import RunLog
from eval.measure.tables import document_rows, interval_rows, result_row, time_rows
from eval.measure.tuning import tuned
from eval.measure.variants import Variant, check_names, of_model, of_rival, of_strategy
from eval.options import add_inputs, choose_strategies, named_folders, whole_numbers
from eval.render.markdown import SAMPLE_NOTE, escape
from eval.render.report import failures, render

BUSY = 0.2  # share of the processors used by others, above which times are not to be trusted
SAMPLE = Path(__file__).resolve().parent / "sample" / "sample.pubtator.txt"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.report", description=__doc__)
    add_inputs(parser, corpus=None, split="test")
    parser.add_argument(
        "--strategies",
        help="comma-separated: dense,hf,rule,entropy,entropy:fast,mlp,entropy+recovery,random,random@rule,"
        "truncate-3,…; dense always runs",
    )
    parser.add_argument("--point", help="operating point of those without one of their own (default balanced)")
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
    parser.add_argument("--rivals", default="", help="other runtimes with the same weights: hf-pipeline,onnx,onnx-int8")
    parser.add_argument(
        "--others", metavar="NAME=FOLDER", default="", help="other models, run densely in the same run, comma-separated"
    )
    parser.add_argument("--ablations", action="store_true", help="also what every knob does; fails if one does nothing")
    parser.add_argument("--plain-model", help="weights with gates, not trained for pruning, to compare in --ablations")
    parser.add_argument("--predictions", metavar="DIR", help="write what everybody found to this folder")
    parser.add_argument(
        "--format", default="pubtator", choices=list(WRITERS), help="of --predictions (default pubtator)"
    )
    parser.add_argument("--out", default="results", help="folder for the results, and to continue in (default results)")
    parser.add_argument("--render-only", action="store_true", help="make the report of --out again, running nothing")
    return parser


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
        on_disk=True,
    )
    types = tuple(part.strip() for part in arguments.types.split(",")) if arguments.types else corpus.types
    name = corpus.name if arguments.corpus else "sample"
    if not corpus.documents:
        raise InputError(f"expected documents in {name}, got none; choose another file")
    if not types:
        raise InputError(f"expected gold entities in {name}, got none; choose a file with gold, or name --types")
    return Corpus(name, corpus.split, types, corpus.documents, corpus.skipped)


def conditions(engine: Engine, corpus: Corpus, variants: Sequence[Variant], sizes: Sequence[int]) -> dict[str, Any]:
    """What must stay the same for a run to be continued."""
    return {
        "commit": environment.commit(),
        "code": environment.code_digest(),
        "versions": environment.versions(),
        "weights": engine.digest,
        "device": str(engine.device),
        "dtype": engine.dtype,
        "threads": torch.get_num_threads(),
        "corpus": [corpus.name, corpus.split, environment.corpus_digest(corpus.documents)],
        "types": corpus.types,
        "variants": [v.strategy.to_json() if v.strategy else {v.name: dict(v.settings)} for v in variants],
        "batch_sizes": sizes,
        "passes": PASSES,
    }


def run(arguments: argparse.Namespace, command: str) -> str:
    """Evaluates and writes all files to ``--out``.

    Returns:
        What to print.
    """
    out = Path(arguments.out)
    if arguments.render_only:
        return render(out)
    load = environment.busy()
    sizes = whole_numbers(arguments.batch_size, "--batch-size")
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"expected --limit 1 or more, got {arguments.limit}; change it")
    if arguments.threads is not None:
        if arguments.threads < 1:
            raise InputError(f"expected --threads 1 or more, got {arguments.threads}; change it")
        torch.set_num_threads(arguments.threads)
    others = named_folders(arguments.others)
    if arguments.plain_model and not arguments.ablations:
        raise InputError("expected --ablations beside --plain-model, got none; add it")
    corpus = load_scored_corpus(arguments)
    engine = load_engine(arguments.model, arguments.dtype, arguments.device)
    gold = {entity.type for document in corpus.documents for entity in document.entities}
    if unknown := set(corpus.types) - gold - set(engine.labels.types):
        raise InputError(f"expected types of the gold or the model, got {sorted(unknown)}; mend --types")
    plain = load_engine(arguments.plain_model, engine.dtype, arguments.device) if arguments.plain_model else None
    if arguments.ablations:
        ablations.settings(engine, plain)  # what the weights cannot run is refused before anything is timed
    strategies = choose_strategies(engine, arguments)
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    try:
        training = analysis.training_documents(corpus, arguments.data_dir)
    except InputError as error:
        training = None
        notes.append(f"Groups by training mentions are left out: {escape(first_line(error))}")
    rivals = load_rivals(engine, [name.strip() for name in arguments.rivals.split(",") if name.strip()])
    ours = [of_strategy(engine, strategy) for strategy in strategies]
    models = [of_model(name, load_engine(folder, engine.dtype, arguments.device)) for name, folder in others]
    check_names([*ours, *map(of_rival, rivals), *models])
    log = RunLog(out, conditions(engine, corpus, [*ours, *map(of_rival, rivals), *models], sizes))
    variants = [*ours, *map(of_rival, tuned(rivals, corpus, sizes, log)), *models]
    with tqdm(total=number_of_calls(corpus, variants, sizes), desc="calls", disable=None) as bar:
        evaluate(corpus, variants, sizes, log, bar.update, load)
    measured = {size: collect(corpus, variants, size, log) for size in sizes}
    write_tables(out, measured, engine, corpus, arguments.seed)
    if arguments.predictions:
        for variant in variants:
            found = predictions(corpus, variant.name, sizes[0], log)
            write_predictions(arguments.predictions, variant.name, found, arguments.format)
    texts = [document.text for document in corpus.documents[: texts_needed(sizes)]]
    _write(out / "cost.csv", cost_rows(engine, texts, measured, arguments.seed))
    with tqdm(total=analysis.number_of_calls(corpus, strategies), desc="analyses", disable=None) as bar:
        analysis.analyse(engine, corpus, strategies, out, training, arguments.seed, bar.update)
    if arguments.ablations:
        ablations.write(engine, corpus, out, plain, arguments.seed)
    loads = [record["load"] for record in log.records() if "load" in record]
    if max(loads) > BUSY:
        notes.append(f"Others used {max(loads):.0%} of the processors when this began: distrust the times.")
    if corpus.skipped:
        notes.append(f"{corpus.skipped} broken documents were left out.")
    facts = about(engine, corpus, variants, command) | {
        "interruptions": str(len(loads) - 1),
        "seed of the bootstrap": str(arguments.seed),
    }
    # Ablations are listed where they are this run's: a file of another run may lie in the folder.
    listed: dict[str, Any] = {"ablations": []} if arguments.ablations else {}
    (out / "results.json").write_text(json.dumps({"about": facts, "notes": notes} | listed))
    return render(out)


def about(engine: Engine, corpus: Corpus, variants: Sequence[Variant], command: str) -> dict[str, str]:
    """Facts on the run for readers, in Markdown."""
    settings = []
    for variant in variants:
        if variant.strategy and variant.strategy.base in PRUNING:
            record = {key: part for key, part in variant.strategy.to_json().items() if key not in ("name", "point")}
            settings.append(f"{escape(variant.name)} {_code(json.dumps(record))}")
        elif variant.settings:
            named = ", ".join(f"{name} {value}" for name, value in variant.settings.items())
            settings.append(f"{escape(variant.name)}: {escape(named)}")
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    return {
        "command": _code(command),
        "model": escape(Path(engine.source).name),
        "settings": "; ".join(settings) or "none",
        "documents": str(len(corpus.documents)),
        "scored types": escape(", ".join(corpus.types)),
        "device, dtype, threads": f"{engine.device}, {engine.dtype}, {torch.get_num_threads()}",
        "machine": escape(environment.machine()),
        "GPU": "measured" if engine.device.type == "cuda" else "not measured",
        "versions": f"{versions}, commit {environment.commit()}",
        "weights": f"SHA-256 {engine.digest[:16]}…",
        "timing": f"variants interleaved batch by batch, order rotated; a discarded pass, then the median of {PASSES}",
    }


def _code(text: str) -> str:
    return f"`{' '.join(text.replace('`', '').split())}`"


def write_tables(
    out: Path, measured: Mapping[int, Mapping[str, Measured]], engine: Engine, corpus: Corpus, seed: int
) -> None:
    """``results.csv``, ``intervals.csv``, ``documents.csv`` and ``times.csv``."""
    every = [one for by_name in measured.values() for one in by_name.values()]
    _write(out / "results.csv", [result_row(o, measured[o.batch_size]["dense"], engine, corpus, seed) for o in every])
    _write(out / "intervals.csv", [row for by_name in measured.values() for row in interval_rows(by_name, seed)])
    _write(out / "documents.csv", (row for one in every for row in document_rows(one, corpus)))
    _write(out / "times.csv", (row for one in every for row in time_rows(one)))


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    pd.DataFrame(list(rows)).to_csv(path, index=False)


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 1 where an ablation shows a knob without effect, 2 for bad input."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = _parser().parse_args(argv)
    command = shlex.join(["python", "-m", "eval.report", *(sys.argv[1:] if argv is None else argv)])
    try:
        print(run(arguments, command))
        failed = failures(Path(arguments.out))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    for failure in failed:
        print(failure, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
