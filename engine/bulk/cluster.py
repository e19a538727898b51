"""Tags files with Ray Data, on a Ray cluster or a Ray instance started on this machine."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine import InputError
from engine.bulk.folder import RUN, Finished
from engine.bulk.inputs import InputFile
from engine.bulk.worker import Job, OnProgress, OutputError, Worker
from engine.errors import first_line
from engine.runs import check_same, read_json

ANSWER_S = 30  # seconds within which a cluster must report its status
RETRIES = 3  # per file, after its worker died


class RayWorker:
    """A worker as a Ray actor: takes rows with a file, and adds the outcome of tagging it or an error.

    If a worker refuses to start, no file can be tagged, and the run ends. Any other error at its start is reported for
    each file that this worker gets.
    """

    def __init__(self, job: Job, conditions: dict[str, Any]) -> None:
        self.problem: InputError | None = None
        run = Path(job.out, RUN)
        try:
            if not run.is_file():
                raise InputError(f"expected {run}, got no such file; every machine needs the folder at this path")
            check_same(run.parent, read_json(run), conditions)  # the folder is that of the command
            self.worker = Worker(job)
            check_same(run.parent, conditions, self.worker.conditions())  # and this machine computes the same results
        except InputError as error:
            self.problem = OutputError(str(error))
        except Exception as error:  # noqa: BLE001  # otherwise Ray assumes that the worker died
            cause = f"{type(error).__name__}: {first_line(error)}"
            self.problem = InputError(f"expected a worker to start, got {cause}; start again")

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            if self.problem:
                raise self.problem
            return row | {"found": self.worker.tag(row["file"], lambda documents, size: None)}
        except InputError as error:
            return row | {"found": error}


@contextmanager
def ray_pool(address: str | None, workers: int | None, threads: int) -> Iterator[int]:
    """Connects to Ray.

    Args:
        address: address of a cluster, or ``auto`` for that of this machine; ``None`` starts Ray on this machine.
        workers: maximum number of workers; ``None`` means as many as the cluster has CPUs for.
        threads: threads per worker.

    Yields:
        The maximum number of workers.

    Raises:
        InputError: if Ray is not installed or does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("expected Ray, got none; pip install -r requirements-bulk.txt") from error
    if address not in (None, "auto"):
        _check_answer(str(address))
    here: dict[str, Any] = {"num_cpus": (workers or 1) * threads, "include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except Exception as error:  # Ray raises many types, including built-in ones
        where = "on this machine" if address is None else f"at {address}"
        raise InputError(f"expected Ray {where}, got {first_line(error)}; check the address, or start it") from error
    try:
        yield workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
    finally:
        ray.shutdown()


def _check_answer(address: str) -> None:
    """Checks that a cluster answers, because Ray itself would try for minutes and might then end this process."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        answers = subprocess.run(command, capture_output=True, timeout=ANSWER_S, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        answers = False
    if not answers:
        raise InputError(f"expected a Ray cluster at {address}, got no answer; check the address, or start it")


def tag_on_ray(
    job: Job,
    conditions: dict[str, Any],
    files: Sequence[InputFile],
    max_workers: int,
    start_all: bool,
    on_progress: OnProgress,
) -> Iterator[Finished | InputError]:
    """Yields the outcome or the error of each file, in the order in which they finish.

    Args:
        job: configuration of the workers; its number of threads is also the number of Ray CPUs per worker.
        conditions: conditions of the run, which those of the workers must equal.
        files: files to tag.
        max_workers: maximum number of workers.
        start_all: whether to start all workers at once, instead of one and then more as there is room.
        on_progress: called for each finished file.

    Raises:
        OutputError: if no further file can be tagged.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # other files continue; those without an answer are reported at the end
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    largest_first = sorted(files, key=lambda file: -file.size)
    rows = [{"file": file} for file in largest_first]
    answers = ray.data.from_items(rows, override_num_blocks=len(files)).map(
        RayWorker,  # type: ignore[arg-type]  # Ray creates one object per actor
        fn_constructor_args=[job, conditions],
        compute=ActorPoolStrategy(min_size=max_workers if start_all else 1, max_size=max_workers),
        num_cpus=job.threads,
        num_gpus=1 if job.options.device.startswith("cuda") else None,
        ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": RETRIES},
    )
    waiting = {file.name: file for file in files}
    for answer in answers.iter_rows():
        file, found = answer["file"], answer["found"]
        del waiting[file.name]
        if isinstance(found, OutputError):
            raise found
        on_progress(found.documents if isinstance(found, Finished) else 0, file.size)
        yield found
    for file in waiting.values():
        yield InputError(
            f"expected a worker to tag {file.url}, got {RETRIES + 1} workers that died; give each more memory"
        )
