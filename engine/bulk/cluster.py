"""Tags files with Ray, on a cluster or in processes of this machine."""

import logging
import os
import platform
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from engine import InputError
from engine.bulk.inputs import InputFile
from engine.bulk.results import RUN, Results, Row
from engine.bulk.worker import OnProgress, OutputError, Worker
from engine.cli.command import say
from engine.cli.runs import continues
from engine.cli.tagging import EngineOptions
from engine.errors import extra, first_line

FIRST_START_S, START_S = 900, 120  # seconds for the first worker to start, as a cluster may grow, and then the others
RETRIES = 3  # of a file whose worker died


def check_ray(address: str | None) -> None:
    """Raises an `InputError` if Ray is missing or no cluster answers; Ray itself would try for minutes."""
    with extra("bulk", "ray"):  # which takes seconds to import
        if address in (None, "auto"):
            return
    host, _, port = str(address).removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise InputError(f"No Ray cluster answers at {address}: {error}. Start it.") from error


class RayWorker:
    """A worker as a Ray actor. It returns errors, because Ray would wrap them."""

    def __init__(self, options: EngineOptions, results: Results, threads: int) -> None:
        self.problem = ""
        try:
            self.worker = Worker(options, results, threads)
            if not continues(results.out, RUN, self.worker.conditions()):  # its results would differ, or be lost
                raise InputError(f"{results.out} holds no run here. Use an --out that all machines see.")
        except Exception as error:  # noqa: BLE001  # one worker must not stop the others
            name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            self.problem = f"{platform.node()}: {name}{first_line(error)}"

    def started(self) -> str:
        return self.problem

    def tag(self, file: InputFile) -> tuple[str, Row | InputError]:
        """Returns the name of a file and its outcome, an `OutputError` if this worker can tag no file."""
        return file.name, OutputError(self.problem) if self.problem else self.worker.tag(file, lambda size: None)


def tag_on_ray(
    worker: Worker, files: Sequence[InputFile], address: str | None, workers: int | None, on_progress: OnProgress
) -> Iterator[Row | InputError]:
    """Yields the outcome or the error of each file, in the order in which they finish.

    At most ``workers`` copies of ``worker``, by default as many as the CPUs allow, run at ``address``, or here if it is
    ``None``. Ray restarts one that dies and retries its file; errors of files that are given up come last. Raises an
    `InputError` if no worker starts.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.exceptions import RayError
    from ray.util import ActorPool

    threads = worker.threads or 1
    here: dict[str, Any] = {"num_cpus": (workers or 1) * threads, "include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except Exception as error:  # Ray raises many types, including built-in ones
        raise InputError(f"Ray does not start: {first_line(error)}. Check the address, or start it.") from error
    try:
        most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // threads)
        pool = ActorPool(_start_workers(worker, min(most, len(files))))
        unfinished = {file.name: file for file in sorted(files, key=lambda file: -file.size)}
        for file in unfinished.values():
            pool.submit(lambda actor, file: actor.tag.remote(file), file)
        death = ""
        while pool.has_next():
            try:
                name, outcome = pool.get_next_unordered()
            except RayError as error:
                death = first_line(error)
                continue
            on_progress(unfinished.pop(name).size)
            yield outcome
        for file in unfinished.values():
            died = f"The worker that tagged {file.path} died {RETRIES + 1} times"
            yield InputError(f"{died}: {death}. Give each worker more memory.")
    finally:
        ray.shutdown()


def _start_workers(worker: Worker, count: int) -> list[Any]:
    """Starts workers; leaves out those that fail or for which the cluster has no room."""
    import ray
    from ray.exceptions import RayError

    gpus = int(worker.options.device.startswith("cuda"))
    needs = {"num_cpus": worker.threads or 1, "num_gpus": gpus, "max_restarts": -1, "max_task_retries": RETRIES}
    actor_class: Any = ray.remote(**needs)(RayWorker)
    actors = [actor_class.remote(worker.options, worker.results, worker.threads) for _ in range(count)]
    starting = {actor.started.remote(): actor for actor in actors}
    ray.wait(list(starting), num_returns=1, timeout=FIRST_START_S)
    answers, late = ray.wait(list(starting), num_returns=count, timeout=START_S)
    ready, problem = [], f"no machine has room for {needs['num_cpus']} CPUs and {gpus} GPUs"
    for answer in answers:
        try:
            problem = ray.get(answer)
        except RayError as error:
            problem = first_line(error)
        if problem:
            say(f"A worker is left out: {problem}")
        else:
            ready.append(starting[answer])
    for answer in late:
        ray.kill(starting[answer])
    if not ready:
        raise InputError(f"No worker starts. The last problem: {problem}")
    return ready
