"""Tags files with Ray, on a cluster or in processes of this machine."""

from __future__ import annotations

import logging
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from engine import InputError
from engine.bulk.folder import RUN, Finished
from engine.bulk.inputs import InputFile
from engine.bulk.worker import Job, OnProgress, OutputError, Worker
from engine.cli.runs import check_same, read_json
from engine.errors import first_line

ANSWER_S = 30  # seconds within which a cluster must report its status
RETRIES = 3  # of a file whose worker died


class RefusedError(InputError):
    """A worker cannot tag any file."""


class RayWorker:
    """A worker as a Ray actor, which returns errors, because Ray would wrap them."""

    def __init__(self, job: Job) -> None:
        self.refusal: RefusedError | None = None
        try:
            run = Path(job.out, RUN)
            if not run.is_file():
                raise InputError(f"expected {run}, got no such file; every machine needs the folder at this path")
            self.worker = Worker(job)
            check_same(run.parent, read_json(run), self.worker.conditions())  # this machine computes the same results
        except Exception as error:  # noqa: BLE001  # one worker must not stop the others
            unexpected = f"expected a worker to start, got {type(error).__name__}: {first_line(error)}; start again"
            self.refusal = RefusedError(f"{platform.node()}: {error if isinstance(error, InputError) else unexpected}")

    def started(self) -> RefusedError | None:
        """Returns why this worker cannot tag, if it cannot."""
        return self.refusal

    def tag(self, file: InputFile) -> Finished | InputError:
        """Tags a file; returns a `RefusedError` or an `OutputError`, too."""
        try:
            return self.refusal or self.worker.tag(file, lambda size: None)
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
    job: Job, files: Sequence[InputFile], max_workers: int, on_progress: OnProgress
) -> Iterator[Finished | InputError]:
    """Yields the outcome or the error of each file, in the order in which they finish.

    A worker takes a CPU of Ray for each thread of the job; one for which the cluster has no room waits. Ray restarts a
    worker that dies, which then tries its file again. One that refuses to start, e.g. because its conditions differ, is
    reported and not used. Raises an `InputError` if no further file can be tagged.
    """
    import ray
    from ray.exceptions import RayError

    actor: Any = ray.remote(
        num_cpus=job.threads or 1,
        num_gpus=int(job.options.device.startswith("cuda")),
        max_restarts=-1,
        max_task_retries=RETRIES,
    )(RayWorker)
    waiting = sorted(files, key=lambda file: file.size)  # the largest is taken first, from the end
    busy: dict[Any, tuple[Any, InputFile | None]] = {}  # future answer → worker, and its file unless it is starting
    refusal: object = None
    for _ in files[:max_workers]:
        worker = actor.remote(job)
        busy[worker.started.remote()] = worker, None
    while waiting or any(file for _, file in busy.values()):
        if not busy:
            raise InputError(f"expected a worker that starts, got none; the last one said: {refusal}")
        (answer, *_), _ = ray.wait(list(busy))
        worker, file = busy.pop(answer)
        try:
            found = ray.get(answer)
        except RayError as error:
            died = f"got one that died {RETRIES + 1} times: {first_line(error)}; give each more memory"
            found = (
                InputError(f"expected a worker to tag {file.path}, {died}")
                if file
                else RefusedError(f"expected a worker to start, {died}")
            )
        if isinstance(found, OutputError):
            raise found
        if isinstance(found, RefusedError):
            refusal = found
            tqdm.write(str(refusal), file=sys.stderr)
            waiting += [file] if file else []
            continue
        if file:
            on_progress(file.size)
            yield found
        if waiting:
            file = waiting.pop()
            busy[worker.tag.remote(file)] = worker, file
