"""Measures every strategy's F1 and latency on a corpus: ``python -m eval.report``.

Without arguments it measures the shipped weights on the small sample corpus that comes with the project.
``--render-only`` makes the report of a finished run again from its files. In Python: `report`.
"""

import logging
import shlex
import sys
from pathlib import Path

from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_options, config_of
from engine.cli.runs import locked, write_json
from engine.errors import InputError, extra
from engine.machine import threads
from eval.config import ReportConfig
from eval.schema import BUSY, LAST


def report(config: ReportConfig, command: str = "") -> Path:
    """Measures what is asked for, writes the report, prints its results and returns its folder.

    ``command``: how the report says that it was made; by default by this call.

    Raises an `InputError` if something cannot be measured, or the folder contains a report.
    """
    with extra("eval", "pandas", "torch"):  # before anything is read
        corpus, out = config.load(), Path(config.out)
        elsewhere = config.load_elsewhere(corpus.types)
    if (out / LAST).is_file():
        raise InputError(f"{out} already holds a report. Choose another --out.")
    sizes = " and ".join(map(str, config.batch_size))
    say(f"{len(corpus.documents)} documents of {corpus.name}, {sizes} a call, into {out}.")
    with locked(out), extra("eval"):
        from eval.analysis.tables import write_tables  # these need torch, which takes seconds to import
        from eval.measure import environment, run, setup
        from eval.measure.baselines import tune

        timed = {size: setup.draw(len(corpus.documents), config.timed, size) for size in config.batch_size}
        training = setup.training_documents(corpus, config.data_dir)
        taggers = setup.load_taggers(config, corpus, training)
        tune(taggers, corpus, config.batch_size)
        busy = environment.other_processes()
        measured = run.measure(taggers, corpus, timed, elsewhere)
        memory = run.measure_memory(taggers)
        facts = environment.versions() | {"threads": threads(), "commit": environment.commit()}
        write_tables(out, measured, timed, memory, facts, training)
        command = command or f"report({config!r})"
        about, notes = run.describe(taggers, corpus, elsewhere, timed, command), config.notes(corpus)
        if busy:
            about[BUSY] = busy
            notes.append(f"Do not trust the times: {busy}.")
        write_json(out / LAST, {"about": about, "notes": notes})
        render(out)
    return out


def render(out: Path) -> None:
    """Writes the pages and plots of a finished run, and prints its notes, results and headline."""
    from eval.render.folder import ReportFolder
    from eval.render.report import render_folder
    from eval.render.summary import headline

    print(render_folder(out), flush=True)
    say(f"{headline(ReportFolder(out))} The report is {out / 'report.md'}.")


@as_command
def main(argv: list[str] | None) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    argv = sys.argv[1:] if argv is None else argv
    parser = new_parser("eval.report", __doc__)
    add_options(parser, ReportConfig)
    parser.add_argument("--render-only", action="store_true", help="make the report in --out again from its files")
    arguments = parser.parse_args(argv)
    config = config_of(ReportConfig, arguments)
    if arguments.render_only:
        with locked(Path(config.out)), extra("eval"):
            render(Path(config.out))
    else:
        report(config, shlex.join(["python", "-m", "eval.report", *argv]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
