"""Tags files with Ray, on a cluster or in processes of this machine."""

from __future__ import annotations

import logging
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from engine import InputError
from engine.bulk.folder import RUN, Finished
from engine.bulk.inputs import InputFile
from engine.bulk.worker import Job, OnProgress, OutputError, Worker
from engine.command import STANDARD_ERROR
from engine.errors import first_line
from engine.runs import check_same, read_json

ANSWER_S = 30  # seconds within which a cluster must report its status
RETRIES = 3  # per file, after its worker died


class RayWorker:
    """A worker as a Ray actor, which returns errors, because Ray would wrap them."""

    def start(self, job: Job, conditions: dict[str, Any]) -> InputError | None:
        """Loads the engine; returns why this worker cannot tag, if it cannot."""
        run = Path(job.out, RUN)
        try:
            if not run.is_file():
                raise InputError(f"expected {run}, got no such file; every machine needs the folder at this path")
            check_same(run.parent, read_json(run), conditions)  # the folder is that of the command
            self.worker = Worker(job)
            check_same(run.parent, conditions, self.worker.conditions())  # and this machine computes the same results
        except Exception as error:  # noqa: BLE001  # one worker must not stop the others
            unexpected = f"expected a worker to start, got {type(error).__name__}: {first_line(error)}; start again"
            return InputError(f"{platform.node()}: {error if isinstance(error, InputError) else unexpected}")
        return None

    def tag(self, file: InputFile) -> Finished | InputError:
        """Tags a file; returns an `OutputError`, too."""
        try:
            return self.worker.tag(file, lambda documents, size: None)
        except OutputError as error:
            return error


@contextmanager
def ray_pool(address: str | None, workers: int | None, threads: int) -> Iterator[int]:
    """Connects to Ray, or raises an `InputError`; yields the maximum number of workers.

    ``address`` is that of a cluster, or ``auto`` for that of this machine; ``None`` starts Ray on this machine. If
    ``workers`` is ``None``, there may be as many as the cluster has CPUs for, at so many ``threads`` each.
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
    job: Job, conditions: dict[str, Any], files: Sequence[InputFile], max_workers: int, on_progress: OnProgress
) -> Iterator[Finished | InputError]:
    """Yields the outcome or the error of each file, in the order in which they finish.

    A worker takes a CPU of Ray for each thread of the job; one for which the cluster has no room waits. A worker that
    dies is replaced. One that refuses to start, e.g. because its conditions differ, is reported and not replaced, and
    so is the fourth in a row that dies at its start. Raises an `InputError` if no further file can be tagged.
    """
    import ray
    from ray.exceptions import RayError

    actor = ray.remote(num_cpus=job.threads or 1, num_gpus=int(job.options.device.startswith("cuda")))(RayWorker)
    waiting = sorted(files, key=lambda file: file.size)  # the largest is taken first, from the end
    deaths: Counter[InputFile | None] = Counter()  # with a file, or one after the other at their start
    busy: dict[Any, tuple[Any, InputFile | None]] = {}  # future answer → worker, and its file unless it is starting
    problem: object = None

    def start_worker() -> None:
        worker: Any = actor.remote()
        busy[worker.start.remote(job, conditions)] = worker, None

    for _ in files[:max_workers]:
        start_worker()
    while waiting or any(file for _, file in busy.values()):
        if not busy:
            raise InputError(f"expected a worker that starts, got none; the last one said: {problem}")
        (answer, *_), _ = ray.wait(list(busy))
        worker, file = busy.pop(answer)
        try:
            found, died = ray.get(answer), False
        except RayError as error:
            wanted = f"tag {file.url}, got {RETRIES + 1} workers that died" if file else "start, got one that died"
            found = InputError(f"expected a worker to {wanted}: {first_line(error)}; give each more memory")
            died = True
        if died and deaths[file] < RETRIES:
            deaths[file] += 1
            waiting += [file] if file else []
        elif isinstance(found, OutputError):
            raise found
        elif file:
            on_progress(found.documents if isinstance(found, Finished) else 0, file.size)
            yield found
        elif found:
            problem = found
            tqdm.write(str(problem), file=STANDARD_ERROR)
            continue
        else:
            deaths[None] = 0
        if died:
            start_worker()
        elif waiting:
            file = waiting.pop()
            busy[worker.tag.remote(file)] = worker, file
