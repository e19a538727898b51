"""Tags many files: ``python -m engine.bulk INPUT… --out DIR``.

Writes a result for each input file. If the command is killed, a restart tags the files that are missing. It runs in
one process; --workers and --ray use more.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from engine import InputError
from engine.bulk.cluster import ray_pool, tag_on_ray
from engine.bulk.folder import RUN, Finished
from engine.bulk.inputs import InputFile, find_files
from engine.bulk.worker import Job, OnProgress, Worker
from engine.cli.command import as_command, say
from engine.cli.options import EngineOptions
from engine.cli.runs import continues, locked, read_json, write_json
from engine.formats import WRITERS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.bulk", description=__doc__)
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="files and folders")
    add("--out", required=True, metavar="DIR", help="folder of the run; a stopped run continues in it")
    add("--format", default="jsonl", choices=list(WRITERS), help="format of the results (default jsonl)")
    EngineOptions.add_to(parser)
    add("--threads", type=int, metavar="N", help="threads per worker (default: all, shared by --workers)")
    add("--workers", type=int, metavar="N", help="number of processes here, or their maximum on a cluster")
    add("--ray", nargs="?", const="auto", metavar="ADDRESS", help="a Ray cluster; default: that of this machine")
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """Tags the files without a result; the exit status is 2 if one could not be tagged or an input not be searched."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = _parser().parse_args(argv)
    for name in ("threads", "workers"):
        if (value := getattr(arguments, name)) is not None and value < 1:
            raise InputError(f"expected --{name} 1 or more, got {value}; change it")
    options, out = EngineOptions.of(arguments), Path(arguments.out).resolve()
    files, problems = find_files(arguments.inputs, out)
    for problem in problems:
        say(str(problem))
    with locked(out):
        failed = _tag_missing(files, options, out, arguments)
    return 2 if failed or problems else 0


def _tag_missing(files: Sequence[InputFile], options: EngineOptions, out: Path, arguments: argparse.Namespace) -> int:
    """Tags the files without a result, reports what became of them, and returns how many could not be tagged."""
    if options.dtype == "auto" and (out / RUN).is_file():
        options = replace(options, dtype=read_json(out / RUN).get("dtype", "auto"))
    threads = arguments.threads
    if threads is None and arguments.ray is not None:
        threads = 1
    elif threads is None and arguments.workers is not None:
        threads = max(1, (os.cpu_count() or 1) // arguments.workers)
    worker = Worker(Job(options, str(out), arguments.format, threads))
    options.say_dtype(worker.engine)
    conditions = worker.conditions()
    is_new = not continues(out, RUN, conditions)
    before = worker.folder.finished(files)
    missing = [file for file in files if file.name not in before]
    counts, failed = Counter[str](), 0
    try:
        with _progress_bar(files, before) as bar, _outcomes(worker, missing, arguments, bar.update) as outcomes:
            if is_new:
                write_json(out / RUN, conditions)
            for outcome in outcomes:
                if isinstance(outcome, Finished):
                    counts.update(files=1, documents=outcome.documents, rejected=outcome.rejected)
                else:
                    failed += 1
                    bar.write(str(outcome), file=sys.stderr)
    finally:
        if (out / RUN).is_file():
            worker.folder.summarise()
    say(
        f"{len(before):,} files were finished before; now {counts['files']:,} files, "
        f"{counts['documents']:,} documents, {counts['rejected']:,} records rejected, {failed:,} files failed; in {out}"
    )
    return failed


@contextmanager
def _outcomes(
    worker: Worker, missing: Sequence[InputFile], arguments: argparse.Namespace, on_progress: OnProgress
) -> Iterator[Iterator[Finished | InputError]]:
    """Yields what becomes of each file, which the worker or those on Ray tag."""
    if not missing or (arguments.ray is None and arguments.workers is None):
        yield (worker.tag(file, on_progress) for file in missing)
        return
    # All machines must use the same dtype.
    job = replace(worker.job, options=replace(worker.job.options, dtype=worker.engine.dtype))
    with ray_pool(arguments.ray, arguments.workers, job.threads or 1) as most:
        yield tag_on_ray(job, missing, most, on_progress)


def _progress_bar(files: Sequence[InputFile], finished: set[str]) -> tqdm:
    """Shows the input bytes done and the time left; prints only one line a minute outside a terminal."""
    interval = 1 if sys.stderr.isatty() else 60
    return tqdm(
        total=sum(file.size for file in files),
        initial=sum(file.size for file in files if file.name in finished),
        unit="B",
        unit_scale=True,
        smoothing=0,
        mininterval=interval,
        maxinterval=interval,
    )


if __name__ == "__main__":
    sys.exit(main())
