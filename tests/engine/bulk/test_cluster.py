"""``engine.bulk`` on Ray."""

import json
import os
import pickle
import platform
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from types import SimpleNamespace

import psutil
import pytest

pytest.importorskip("ray")  # requirements-bulk.txt

from ray.exceptions import ActorDiedError

from engine.bulk import cluster
from engine.bulk.inputs import InputFile
from engine.bulk.worker import Job, OutputError
from engine.errors import InputError
from engine.options import EngineOptions
from tests.conftest import contents
from tests.engine.bulk.conftest import options, run
from tests.engine.bulk.made_up import write_folder

RAY = [sys.executable, "-m", "ray.scripts.scripts"]


@pytest.fixture(autouse=True)
def _as_urgent_as_other_tests(monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # by default, workers wait until no other test computes


@pytest.fixture(scope="module")
def pubmed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pubmed")
    write_folder(folder, 4, 10)
    return folder


@pytest.fixture(scope="module")
def undisturbed(pubmed, model_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run(pubmed, out=out, model=model_folder) == 0
    return out


def test_workers_write_what_one_process_writes(pubmed, bulk, undisturbed, tmp_path):
    assert bulk(pubmed, "--workers", 2) == 0
    assert contents(tmp_path / "out") == contents(undisturbed)


@pytest.mark.parametrize("answer", ["exit 1", "sleep 60"])
def test_an_address_that_does_not_answer_is_one_sentence(answer, pubmed, bulk, tmp_path, capsys, monkeypatch):
    def answering(command, *, timeout, **options):
        return subprocess_run(["sh", "-c", answer], timeout=min(timeout, 0.1), **options)

    subprocess_run = subprocess.run
    monkeypatch.setattr(subprocess, "run", answering)
    assert bulk(pubmed, "--ray", "127.0.0.1:9") == 2
    assert "expected a Ray cluster at 127.0.0.1:9, got no answer" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.fixture
def finished(undisturbed, model_folder, tmp_path):
    """A finished run: what its workers need to know, and its conditions."""
    out = shutil.copytree(undisturbed, tmp_path / "out")
    options = EngineOptions(model=str(model_folder), dtype="float32")
    return Job(options, str(out), "jsonl", ("id", "text"), 1), json.loads((out / "run.json").read_text())


def answer_of(job, conditions, file=None):
    """What a worker answers to its start, or else to a file."""
    worker = cluster.RayWorker()
    file = file or InputFile("a", "in/a.xml", 1)
    return pickle.loads(pickle.dumps(worker.start(job, conditions) or worker.tag(file)))


def fails(*_):
    raise RuntimeError("no kernel\nat all")


@pytest.mark.parametrize(
    ("patched", "other", "problem"),
    [
        ("engine.bulk.worker.code_digest", lambda *_: "other", 'got code "other"'),
        ("engine.bulk.cluster.RUN", "none.json", "every machine needs the folder at this path"),
        ("engine.bulk.cluster.Worker", fails, f"{platform.node()}: expected a worker to start, got RuntimeError: no k"),
    ],
    ids=["other code", "no folder", "no start"],
)
def test_what_goes_wrong_in_a_worker_is_its_answer(patched, other, problem, finished, monkeypatch):
    monkeypatch.setattr(patched, other)
    assert problem in str(answer_of(*finished))


def starts(*_):
    return None


def dies(*_):
    raise ActorDiedError


def refuses(*_):
    return InputError("no kernel")


@pytest.fixture
def tag_scripted(monkeypatch):
    """Tags the files a, b and c with two workers in this process; what workers do in turn at their start is given."""

    def tag_all(at_start, tag=lambda file: file.name):
        left = iter(at_start)

        def worker():
            start = next(left)
            return SimpleNamespace(
                start=SimpleNamespace(remote=partial(partial, start)), tag=SimpleNamespace(remote=partial(partial, tag))
            )

        ray = SimpleNamespace(
            remote=lambda **_: lambda _: SimpleNamespace(remote=worker),
            wait=lambda answers: (answers[:1], answers[1:]),
            get=lambda answer: answer(),
        )
        monkeypatch.setitem(sys.modules, "ray", ray)
        files = [InputFile(name, f"in/{name}", size) for size, name in enumerate("cba")]
        job = Job(EngineOptions(), "out", "jsonl", ("id", "text"), 1)
        found = list(cluster.tag_on_ray(job, {}, files, 2, lambda *_: None))
        assert list(left) == []
        return found

    return tag_all


@pytest.mark.parametrize(("at_start", "sentences"), [([refuses, starts], 1), ([dies, starts, starts], 0)])
def test_a_worker_that_does_not_start_costs_itself_alone(at_start, sentences, tag_scripted, capsys):
    assert tag_scripted(at_start) == ["a", "b", "c"]
    assert len(capsys.readouterr().err.splitlines()) == sentences


@pytest.mark.parametrize(("at_start", "why"), [([refuses] * 2, "no kernel"), ([dies] * 5, "one that died")])
def test_if_no_worker_starts_the_run_ends_and_says_why(at_start, why, tag_scripted):
    with pytest.raises(InputError, match=f"got none; the last one said: .*{why}"):
        tag_scripted(at_start)


def test_a_file_that_kills_four_workers_is_given_up_and_the_others_are_tagged(tag_scripted):
    *found, last = sorted(map(str, tag_scripted([starts] * 6, lambda f: dies() if f.name == "b" else f.name)))
    assert found == ["a", "c"]
    assert last.startswith("expected a worker to tag in/b, got 4 workers that died")


def test_a_result_that_cannot_be_written_ends_the_run(tag_scripted):
    with pytest.raises(OutputError, match="disk"):
        tag_scripted([starts] * 2, lambda file: OutputError("disk"))


def test_a_workers_answer_does_not_hold_what_was_rejected(finished, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "1", "text": "Nausea."}\n' + '{"id": "2"}\n' * 1000)
    answer = answer_of(*finished, InputFile("a", str(path), path.stat().st_size))
    assert answer.rejected == 1000
    assert len(pickle.dumps(answer)) < 1000


class DyingWorker(cluster.RayWorker):
    """Dies on one file."""

    def tag(self, file):
        if "n0002" in file.name:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().tag(file)


@pytest.mark.slow
def test_a_file_that_kills_its_workers_is_given_up_and_the_others_are_tagged(
    pubmed, bulk, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(cluster, "RayWorker", DyingWorker)
    assert bulk(pubmed, "--workers", 2) == 2
    assert "pubmed99n0002.xml.gz, got 4 workers that died" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "tagged").iterdir())) == 3


@pytest.mark.slow
def test_a_cluster_by_its_address(pubmed, bulk, undisturbed, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start = [*RAY, "start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    subprocess.run([*start, "--disable-usage-stats"], check=True, capture_output=True)
    try:
        assert bulk(pubmed, "--ray", f"127.0.0.1:{port}") == 0
    finally:
        subprocess.run([*RAY, "stop"], check=True, capture_output=True)
    assert contents(tmp_path / "out") == contents(undisturbed)


def workers_of(driver):
    """The processes that tag."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(driver.pid).children(recursive=True):
            with suppress(psutil.Error, IndexError):
                if "RayWorker" in process.cmdline()[0]:
                    found.append(process)
    return found


@pytest.mark.slow
def test_killed_ten_times_and_resumed_the_output_is_that_of_an_undisturbed_run(model_folder, tmp_path):
    pubmed, out, chance, kills = tmp_path / "pubmed", tmp_path / "out", random.Random(0), 0
    write_folder(pubmed, 60, 100)
    assert run(pubmed, out=tmp_path / "undisturbed", model=model_folder) == 0
    command = [sys.executable, "-m", "engine.bulk", *options(pubmed, "--workers", 2, out=out, model=model_folder)]
    while kills < 10:
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as driver:
            while driver.poll() is None and kills < 10:
                while driver.poll() is None and len(tagging := workers_of(driver)) < 2:
                    time.sleep(0.1)
                if driver.poll() is not None:
                    break
                time.sleep(chance.uniform(0, 3))
                with suppress(psutil.NoSuchProcess):
                    (chance.choice(tagging) if kills % 2 else driver).kill()
                kills += 1
                if kills % 2:  # the workers end with the command
                    assert psutil.wait_procs(tagging, timeout=30)[1] == []
                    break
            driver.kill()
        if driver.returncode == 0:  # finished before ten kills: lose some results
            for path in chance.sample(sorted((out / "units").iterdir()), 30):
                path.unlink()
    assert subprocess.run(command).returncode == 0
    assert contents(out) == contents(tmp_path / "undisturbed")
