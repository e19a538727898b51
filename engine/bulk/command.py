"""Tags many files: ``python -m engine.bulk INPUT… --out DIR``.

Writes a result for each input file. If the command is killed, a restart tags the files that are missing. It runs in
one process; --workers and --ray use more.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from engine import InputError
from engine.bulk.cluster import ray_pool, tag_on_ray
from engine.bulk.estimate import estimate
from engine.bulk.folder import FORMATS, RUN, Finished
from engine.bulk.inputs import find_files
from engine.bulk.worker import Job, Worker
from engine.command import STANDARD_ERROR, as_command, say
from engine.data.reading.source import COLUMNS
from engine.options import EngineOptions
from engine.runs import continues, locked, read_json, write_json


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.bulk", description=__doc__)
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="files, folders, globs; paths or URLs (s3://…)")
    add("--out", metavar="DIR", help="folder of the run; a stopped run continues in it")
    add("--format", default="jsonl", choices=FORMATS, help="format of the results (default jsonl)")
    add("--id-column", default=COLUMNS[0], metavar="NAME", help="id column of Parquet inputs (default id)")
    add("--text-column", default=COLUMNS[1], metavar="NAME", help="text column of Parquet inputs (default text)")
    EngineOptions.add_to(parser)
    add("--threads", type=int, metavar="N", help="threads per worker (default: all, shared by --workers)")
    add("--workers", type=int, metavar="N", help="number of processes here, or their maximum on a cluster")
    add("--ray", nargs="?", const="auto", metavar="ADDRESS", help="a Ray cluster; default: that of this machine")
    plan = parser.add_argument_group("cost estimate").add_argument
    plan("--plan", type=int, metavar="N", help="measure a sample, print hours and money for N documents")
    plan("--sample", type=int, default=200, metavar="N", help="documents to measure (default 200)")
    plan("--price", type=float, default=0.05, help="price of a core-hour (default 0.05)")
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """Tags the files without a result; the exit status is 2 if one could not be tagged or an input not be searched."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = _parser().parse_args(argv)
    for name in ("threads", "workers", "plan", "sample"):
        if (value := getattr(arguments, name)) is not None and value < 1:
            raise InputError(f"expected --{name} 1 or more, got {value}; change it")
    options = EngineOptions.of(arguments)
    columns = (arguments.id_column, arguments.text_column)
    if arguments.plan is None and arguments.out is None:
        raise InputError("expected --out DIR, got none; name the folder of the run")
    out = None if arguments.plan else Path(arguments.out).resolve()
    files, problems = find_files(arguments.inputs, out)
    for problem in problems:
        say(str(problem))
    if out is None:
        for line in estimate(files, options, columns, arguments.plan, arguments.price, arguments.sample):
            print(line, flush=True)
        return 2 if problems else 0
    on_ray = arguments.ray is not None or arguments.workers is not None
    threads = arguments.threads
    if threads is None and on_ray:
        threads = 1 if arguments.ray else max(1, (os.cpu_count() or 1) // arguments.workers)
    with locked(out), ExitStack() as at_end, ExitStack() as stack:
        if options.dtype == "auto" and (out / RUN).is_file():
            options = replace(options, dtype=read_json(out / RUN).get("dtype", "auto"))
        worker = Worker(Job(options, str(out), arguments.format, columns, threads))
        options.say_dtype(worker.engine)
        conditions = worker.conditions()
        is_new = not continues(out, RUN, conditions)
        before = worker.folder.finished(files)
        missing = [file for file in files if file.name not in before]
        done = sum(file.size for file in files if file.name in before)
        bar = stack.enter_context(_progress_bar(sum(file.size for file in files), done))
        documents = 0

        def on_progress(more: int, size: int) -> None:
            nonlocal documents
            documents += more
            bar.set_postfix_str(f"{documents:,} documents", refresh=False)
            bar.update(size)

        if on_ray and missing:
            # All machines must use the same dtype.
            job = replace(worker.job, options=replace(options, dtype=worker.engine.dtype))
            max_workers = stack.enter_context(ray_pool(arguments.ray, arguments.workers, threads))
            results = tag_on_ray(job, conditions, missing, max_workers, on_progress)
        else:
            results = (worker.tag(file, on_progress) for file in missing)
        if is_new:
            write_json(out / RUN, conditions)
        at_end.callback(worker.folder.summarise)
        tagged = rejected = failed = 0
        for result in results:
            if isinstance(result, Finished):
                tagged, rejected = tagged + 1, rejected + result.rejected
            else:
                failed += 1
                bar.write(str(result), file=STANDARD_ERROR)
    say(
        f"{len(before):,} files were finished before; now {tagged:,} files, {documents:,} documents, "
        f"{rejected:,} records rejected, {failed:,} files failed; in {out}"
    )
    return 2 if failed or problems else 0


def _progress_bar(total: int, done: int) -> tqdm[NoReturn]:
    """Shows the input bytes done and the time left; prints only one line a minute outside a terminal."""
    interval = 1 if sys.stderr.isatty() else 60
    return tqdm(
        total=total,
        initial=done,
        unit="B",
        unit_scale=True,
        smoothing=0,
        mininterval=interval,
        maxinterval=interval,
        file=STANDARD_ERROR,
    )
