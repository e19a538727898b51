"""Tags many files: ``python -m engine.bulk INPUT… --out DIR``.

Writes a result for each input file. A restart tags the files that are missing. --workers and --ray use more processes.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, replace
from math import inf
from pathlib import Path

from engine.bulk.cluster import check_ray, tag_on_ray
from engine.bulk.inputs import InputFile, find_files
from engine.bulk.results import RUN, Results
from engine.bulk.worker import OutputError, Worker
from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_options, config_of
from engine.cli.progress import progress
from engine.cli.runs import continues, locked, read_json, write_json
from engine.cli.tagging import EngineOptions
from engine.errors import InputError
from engine.formats import WRITERS
from engine.settings import setting


@dataclass(frozen=True)
class RunOptions:
    """Settings of a run."""

    out: str = setting(MISSING, "folder of the run; a stopped run continues in it", metavar="DIR")
    format: str = setting("jsonl", "format of the results", choices=tuple(WRITERS))
    threads: int | None = setting(None, "threads per worker; by default all, shared by --workers", 1, inf)
    workers: int | None = setting(None, "processes on this machine; on a cluster, at most", 1, inf)
    ray: str | None = setting(None, "address of a Ray cluster, or auto for that of this machine", metavar="ADDRESS")


@as_command
def main(argv: list[str] | None) -> int:
    """Tags files without a result; the exit status is 2 if one cannot be tagged or an input cannot be searched."""
    parser = new_parser("engine.bulk", __doc__)
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files and folders")
    add_options(parser, RunOptions)
    add_options(parser, EngineOptions)
    arguments = parser.parse_args(argv)
    run, out = config_of(RunOptions, arguments), Path(arguments.out).resolve()
    options = config_of(EngineOptions, arguments)
    files, problems, skipped = find_files(arguments.inputs, out)
    if skipped:
        say(f"Skipped {len(skipped):,} files of unknown formats, such as {skipped[0]}.")
    for problem in problems:
        say(str(problem))
    with locked(out):
        failed = _tag_missing(files, options, run, out)
    return 2 if failed or problems else 0


def _tag_missing(files: Sequence[InputFile], options: EngineOptions, run: RunOptions, out: Path) -> int:
    """Tags the files without a result, prints a summary, and returns how many could not be tagged."""
    on_ray = run.ray is not None or run.workers is not None
    if on_ray:
        check_ray(run.ray)
    if options.dtype == "auto" and (out / RUN).is_file():
        options = replace(options, dtype=read_json(out / RUN).get("dtype", "auto"))
    share = 1 if run.ray else max(1, (os.cpu_count() or 1) // (run.workers or 1))
    results = Results(out, run.format)
    worker = Worker(options, results, run.threads or (share if on_ray else 0))
    conditions = worker.conditions()
    if not continues(out, RUN, conditions):
        write_json(out / RUN, conditions)
    before = results.finished(files)
    missing = [file for file in files if file.name not in before]
    counts: Counter[str] = Counter()
    plan = f"Tag {len(missing):,} of {len(files):,} files into {out}; {len(before):,} were finished before"
    say(f"{plan}. After an interruption, the same command continues.")
    with progress(total=sum(file.size for file in missing), unit="B", unit_scale=True) as bar:
        if on_ray:
            outcomes = tag_on_ray(worker, missing, run.ray, run.workers, bar.update)
        else:
            outcomes = (worker.tag(file, bar.update) for file in missing)
        try:
            for outcome in outcomes if missing else ():
                if isinstance(outcome, OutputError):
                    raise outcome
                if isinstance(outcome, InputError):
                    counts.update(failed=1)
                    say(str(outcome))
                else:
                    counts.update(files=1, documents=outcome["documents"], rejected=outcome["rejected"])
        finally:
            results.summarise()
    tagged = f"{counts['files']:,} files and {counts['documents']:,} documents tagged"
    again = "; repair them, and run the same command again" if counts["failed"] else ""
    say(f"{tagged}, {counts['rejected']:,} records rejected, {counts['failed']:,} files failed{again}.")
    return counts["failed"]


if __name__ == "__main__":
    sys.exit(main())
