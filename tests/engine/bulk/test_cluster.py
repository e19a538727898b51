"""``engine.bulk`` on Ray."""

import os
import pickle
import platform
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("ray")  # requirements-bulk.txt

from engine.bulk import cluster
from engine.bulk.inputs import InputFile
from engine.bulk.worker import Job, OutputError
from engine.cli.options import EngineOptions
from engine.errors import InputError
from tests.conftest import contents
from tests.engine.bulk.conftest import run
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


@pytest.mark.parametrize("answer", ["exit 1", "sleep 60"])
def test_an_address_that_does_not_answer_is_one_sentence(answer, pubmed, bulk, tmp_path, capsys, monkeypatch):
    def answering(command, *, timeout, **options):
        return subprocess_run(["sh", "-c", answer], timeout=min(timeout, 0.1), **options)

    subprocess_run = subprocess.run
    monkeypatch.setattr(subprocess, "run", answering)
    assert bulk(pubmed, "--ray", "127.0.0.1:9") == 2
    assert "expected a Ray cluster at 127.0.0.1:9, got no answer" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def fails(*_):
    raise RuntimeError("no kernel\nat all")


@pytest.mark.parametrize(
    ("patched", "other", "problem"),
    [
        ("engine.bulk.worker.code_digest", lambda *_: "other", 'got code "other"'),
        ("engine.bulk.cluster.RUN", "none.json", "every machine needs the folder at this path"),
        ("engine.bulk.cluster.Worker", fails, f"{platform.node()}: expected a worker to start, got RuntimeError: no k"),
        ("engine.bulk.worker.Worker._tag", lambda *_: Path("/dev/full").write_text("x"), "No space left on device"),
    ],
    ids=["other code", "no folder", "no start", "full disk"],
)
def test_what_goes_wrong_in_a_worker_is_said(patched, other, problem, undisturbed, model_folder, tmp_path, monkeypatch):
    out = shutil.copytree(undisturbed, tmp_path / "out")
    job = Job(EngineOptions(model=str(model_folder), dtype="float32"), str(out), "jsonl", 1)
    monkeypatch.setattr(patched, other)
    worker = cluster.RayWorker(job)
    answer = worker.started() or worker.tag(InputFile("a", "in/a.xml", 1))
    assert problem in str(pickle.loads(pickle.dumps(answer)))


@pytest.fixture
def tag_scripted(monkeypatch):
    """Tags the files a, b and c with two workers in this process, which answer by their number and the file."""

    def tag_all(answer):
        numbers = count()

        def worker(*_):
            reply = partial(partial, answer, next(numbers))
            tag, started = SimpleNamespace(remote=reply), SimpleNamespace(remote=partial(reply, None))
            return SimpleNamespace(tag=tag, started=started)

        ray = SimpleNamespace(
            remote=lambda **_: lambda _: SimpleNamespace(remote=worker),
            wait=lambda answers: (answers[:1], answers[1:]),
            get=lambda answer: answer(),
        )
        monkeypatch.setitem(sys.modules, "ray", ray)
        files = [InputFile(name, f"in/{name}", size) for size, name in enumerate("cba")]
        job = Job(EngineOptions(), "out", "jsonl", 1)
        return sorted(map(str, cluster.tag_on_ray(job, files, 2, lambda size: None)))

    return tag_all


@pytest.mark.parametrize("started", [False, True], ids=["at its start", "later, on another machine"])
def test_a_worker_that_refuses_is_reported_and_costs_no_file(started, tag_scripted, capsys):
    def answer(number, file):
        return cluster.RefusedError("no kernel") if number == 0 and (file or not started) else file and file.name

    assert tag_scripted(answer) == ["a", "b", "c"]
    assert capsys.readouterr().err == "no kernel\n"


def test_a_run_ends_if_no_worker_starts_or_a_result_cannot_be_written_and_says_why(tag_scripted):
    with pytest.raises(InputError, match="got none; the last one said: no kernel"):
        tag_scripted(lambda *_: cluster.RefusedError("no kernel"))
    with pytest.raises(OutputError, match="disk"):
        tag_scripted(lambda number, file: file and OutputError("disk"))


class DyingWorker(cluster.RayWorker):
    """Dies on every try of one file and on the first try of another."""

    def tag(self, file):
        first = Path(self.worker.job.out).with_name("died")
        if "n0002" in file.name or ("n0003" in file.name and not first.exists()):
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().tag(file)


@pytest.mark.slow
def test_a_file_is_given_up_after_four_deaths_of_its_worker(pubmed, bulk, undisturbed, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "RayWorker", DyingWorker)
        assert bulk(pubmed, "--workers", 2) == 2
    assert "pubmed99n0002.xml.gz, got one that died 4 times" in capsys.readouterr().err
    assert (tmp_path / "died").exists()
    assert len(list((tmp_path / "out" / "tagged").iterdir())) == 3
    assert bulk(pubmed) == 0
    assert contents(tmp_path / "out") == contents(undisturbed)


@pytest.mark.slow
def test_a_cluster_by_its_address(pubmed, bulk, undisturbed, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    start = [*RAY, "start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    try:
        subprocess.run([*start, "--disable-usage-stats"], check=True, capture_output=True)
        assert bulk(pubmed, "--ray", f"127.0.0.1:{port}") == 0
    finally:
        subprocess.run([*RAY, "stop"], check=True, capture_output=True)
    assert contents(tmp_path / "out") == contents(undisturbed)
