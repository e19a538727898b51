"""Tags many files: ``python -m engine.bulk INPUT… --out DIR``.

Writes a result for each input file. If the command is killed, a restart tags the files that are missing. It runs in
one process; --workers and --ray use more.
"""

import argparse
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from engine import InputError
from engine.bulk.cluster import check_ray, tag_on_ray
from engine.bulk.inputs import InputFile, find_files
from engine.bulk.results import RUN, Finished
from engine.bulk.worker import Worker
from engine.cli.command import as_command, program, say
from engine.cli.options import add_options, config_of
from engine.cli.progress import Progress
from engine.cli.runs import continues, locked, read_json, write_json
from engine.cli.tagging import EngineOptions
from engine.formats import WRITERS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("engine.bulk"), description=__doc__)
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="files and folders")
    add("--out", required=True, metavar="DIR", help="folder of the run; a stopped run continues in it")
    add("--format", default="jsonl", choices=list(WRITERS), help="format of the results (default jsonl)")
    add_options(parser, EngineOptions)
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
    options, out = config_of(EngineOptions, arguments), Path(arguments.out).resolve()
    if arguments.ray is not None or arguments.workers is not None:
        check_ray(arguments.ray)
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
    on_ray = arguments.ray is not None or arguments.workers is not None
    share = 1 if arguments.ray is not None else max(1, (os.cpu_count() or 1) // (arguments.workers or 1))
    worker = Worker(options, out, arguments.format, arguments.threads or (share if on_ray else 0)).load()
    conditions = worker.conditions()
    if not continues(out, RUN, conditions):
        write_json(out / RUN, conditions)
    before = worker.results.finished(files)
    missing = [file for file in files if file.name not in before]
    counts: Counter[str] = Counter()
    plan = f"Tag {len(missing):,} of {len(files):,} files into {out}; {len(before):,} were finished before"
    sizes = sum(file.size for file in files), sum(file.size for file in files if file.name in before)
    progress = Progress(plan, *sizes, resume="The same command continues.")
    outcomes: Iterator[Finished | InputError]
    if on_ray:  # all machines must use the same dtype
        fresh = replace(worker, options=replace(options, dtype=worker.engine.dtype))
        outcomes = tag_on_ray(fresh, missing, arguments.ray, arguments.workers, progress.advance)
    else:
        outcomes = (worker.tag(file, progress.advance) for file in missing)
    try:
        with progress:
            for outcome in outcomes if missing else ():
                if isinstance(outcome, Finished):
                    counts.update(files=1, documents=outcome.documents, rejected=outcome.rejected)
                else:
                    counts.update(failed=1)
                    say(str(outcome))
    finally:
        worker.results.summarise()
    verdict = f"{counts['files']:,} files and {counts['documents']:,} documents tagged, {counts['rejected']:,} records"
    again = "; repair them, and start the same command again" if counts["failed"] else ""
    progress.finish(f"{verdict} rejected, {counts['failed']:,} files failed{again}.")
    return counts["failed"]


if __name__ == "__main__":
    sys.exit(main())
