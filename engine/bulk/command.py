"""Tags many files: ``python -m engine.bulk INPUT… --out DIR``.

Writes a result for each input file. If the command is killed, restarting it does what is missing. It runs in one
process; --workers and --ray use more.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from engine import InputError
from engine.bulk.cluster import ray_pool, tag_on_ray
from engine.bulk.folder import Outcome, RunFolder
from engine.bulk.inputs import Unit, find_units
from engine.bulk.plan import plan
from engine.bulk.progress import Progress
from engine.bulk.results import FORMATS
from engine.bulk.worker import Job, OutputError, Worker
from engine.command import as_command, say
from engine.data.formats import COLUMNS
from engine.options import EngineOptions
from engine.runs import locked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.bulk", description=__doc__)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files, folders, globs; paths or URLs (s3://…)")
    parser.add_argument("--out", metavar="DIR", help="folder of the run; a run that was stopped goes on in it")
    parser.add_argument("--format", default="jsonl", choices=FORMATS, help="of the results (default jsonl)")
    parser.add_argument("--id-column", default=COLUMNS[0], metavar="NAME", help="of Parquet inputs (default id)")
    parser.add_argument("--text-column", default=COLUMNS[1], metavar="NAME", help="of Parquet inputs (default text)")
    EngineOptions.add_to(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="of each worker (default: all, shared by --workers)")
    parser.add_argument("--workers", type=int, metavar="N", help="number of processes here, or the most on the cluster")
    parser.add_argument(
        "--ray", nargs="?", const="auto", metavar="ADDRESS", help="a Ray cluster; default the one of this machine"
    )
    planning = parser.add_argument_group("what it would take")
    planning.add_argument(
        "--plan", type=int, metavar="N", help="measure a sample, print hours and money for N documents"
    )
    planning.add_argument("--sample", type=int, default=200, metavar="N", help="documents to measure (default 200)")
    planning.add_argument("--price", type=float, default=0.05, help="of a core for an hour (default 0.05)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Tags what is missing.

    Returns:
        The exit status: 2 if a file could not be tagged.
    """
    for name in ("threads", "workers", "plan", "sample"):
        if (value := getattr(arguments, name)) is not None and value < 1:
            raise InputError(f"expected --{name} 1 or more, got {value}; change it")
    options = EngineOptions.of(arguments)
    columns = (arguments.id_column, arguments.text_column)
    if arguments.plan is not None:
        units = find_units(arguments.inputs, None)
        for line in plan(units, options, columns, arguments.plan, arguments.price, arguments.sample):
            print(line, flush=True)
        return 0
    if arguments.out is None:
        raise InputError("expected --out DIR, got none; name the folder of the run")
    out = Path(arguments.out).resolve()
    units = find_units(arguments.inputs, out)
    on_ray = arguments.ray is not None or arguments.workers is not None
    threads = arguments.threads
    if threads is None and on_ray:
        threads = 1 if arguments.ray else max(1, (os.cpu_count() or 1) // arguments.workers)
    folder = RunFolder(out)
    with locked(out), ExitStack() as stack:
        worker = Worker(Job(options, str(out), arguments.format, columns, threads))
        if options.dtype == "auto":
            say(f"--dtype auto: {worker.engine.dtype}, {worker.engine.precision.why}")
        fingerprint = worker.fingerprint()
        folder.claim(fingerprint)
        finished = folder.finished(units)
        missing = [unit for unit in units if unit.name not in finished]
        stack.callback(folder.summarise)
        done = sum(unit.size for unit in units if unit.name in finished)
        progress = stack.enter_context(Progress(sum(unit.size for unit in units), done))
        if on_ray and missing:
            # Other machines must not choose another dtype.
            job = replace(worker.job, options=replace(options, dtype=worker.engine.dtype))
            most = stack.enter_context(ray_pool(arguments.ray, arguments.workers, threads))
            outcomes = tag_on_ray(job, fingerprint, missing, most, arguments.ray is None, progress.advance)
        else:
            outcomes = _tag_here(worker, missing, progress)
        tagged, failed = [], 0
        for outcome in outcomes:
            if isinstance(outcome, Outcome):
                tagged.append(outcome)
            else:
                failed += 1
                progress.say(str(outcome))
    documents, rejected = sum(one.documents for one in tagged), sum(len(one.rejected) for one in tagged)
    say(
        f"{len(finished):,} files were finished before; now {len(tagged):,} files, {documents:,} documents, "
        f"{rejected:,} records rejected, {failed:,} files failed; in {out}"
    )
    return 2 if failed else 0


def _tag_here(worker: Worker, units: list[Unit], progress: Progress) -> Iterator[Outcome | InputError]:
    for unit in units:
        try:
            yield worker.tag(unit, progress.advance)
        except OutputError:
            raise
        except InputError as error:
            yield error


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    return run(_parser().parse_args(argv))
