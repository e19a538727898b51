"""``engine.bulk`` on Ray."""

import os
import pickle
import platform
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray")

from engine.bulk import cluster
from engine.bulk.inputs import InputFile
from engine.bulk.results import Results
from engine.bulk.worker import OutputError
from engine.cli.tagging import EngineOptions
from tests.conftest import contents
from tests.engine.bulk.conftest import no_kernel, run

RAY = [sys.executable, "-m", "ray.scripts.scripts"]


@pytest.fixture(autouse=True)
def _as_urgent_as_other_tests(monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # by default, workers wait until no other test computes


@pytest.fixture(scope="module")
def undisturbed(pubmed, model_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert run(pubmed, out=out, model=model_folder) == 0
    return out


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere.invalid:6379", "abacus"])
def test_an_address_that_does_not_answer_is_one_sentence(address, pubmed, bulk, tmp_path, capsys):
    assert bulk(pubmed, "--ray", address) == 2
    assert f"No Ray cluster answers at {address}" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("patched", "other", "problem"),
    [
        ("engine.bulk.worker.code_digest", lambda *_: "other", 'not code "other"'),
        ("engine.bulk.worker.Worker.__init__", no_kernel, f"{platform.node()}: RuntimeError: no kernel"),
        ("engine.bulk.worker.Worker._tag", lambda *_: Path("/dev/full").write_text("x"), "No space left on device"),
    ],
    ids=["other code", "no start", "full disk"],
)
def test_what_goes_wrong_in_a_worker_is_said(patched, other, problem, undisturbed, model_folder, tmp_path, monkeypatch):
    out = shutil.copytree(undisturbed, tmp_path / "out")
    monkeypatch.setattr(patched, other)
    actor = cluster.RayWorker(EngineOptions(model=str(model_folder), dtype="float32"), Results(out, "jsonl"), 1)
    assert (problem in actor.started()) == (patched != "engine.bulk.worker.Worker._tag")
    name, outcome = pickle.loads(pickle.dumps(actor.tag(InputFile("a", "in/a.xml", 1))))
    assert (name, type(outcome), problem in str(outcome)) == ("a", OutputError, True)


class RefusingWorker(cluster.RayWorker):
    """Cannot tag if it is the first of a run, or none can."""

    def __init__(self, options, results, threads):
        super().__init__(options, results, threads)
        try:
            results.out.with_name("first").mkdir()
        except FileExistsError:
            self.problem = "no kernel" if results.out.with_name("all").exists() else ""
        else:
            self.problem = "no kernel"


@pytest.mark.slow
def test_a_worker_that_refuses_is_left_out_and_a_run_of_such_ends(
    pubmed, bulk, undisturbed, tmp_path, monkeypatch, capsys
):
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "RayWorker", RefusingWorker)
        assert bulk(pubmed, "--workers", 2) == 0
        assert "A worker is left out: no kernel\n" in capsys.readouterr().err
        assert contents(tmp_path / "out") == contents(undisturbed)
        (tmp_path / "all").mkdir()
        shutil.rmtree(tmp_path / "out")
        assert bulk(pubmed, "--workers", 2) == 2
    assert "The last problem: no kernel" in capsys.readouterr().err


class DyingWorker(cluster.RayWorker):
    """Dies on every try of one file and on the first try of another."""

    def tag(self, file):
        first = self.worker.results.out.with_name("died")
        if "n0002" in file.name or ("n0003" in file.name and not first.exists()):
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().tag(file)


@pytest.mark.slow
def test_a_file_is_given_up_after_four_deaths_of_its_worker(pubmed, bulk, undisturbed, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "RayWorker", DyingWorker)
        assert bulk(pubmed, "--workers", 2) == 2
    assert "pubmed99n0002.xml.gz died 4 times" in capsys.readouterr().err
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
