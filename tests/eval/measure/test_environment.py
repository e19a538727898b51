import subprocess
import sys

import psutil

from engine.latency import busy_share
from eval.measure import environment
from eval.measure.environment import resident_memory


def test_work_of_other_processes_is_seen():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            assert busy_share() > 0.5 / (psutil.cpu_count() or 1)
        finally:
            other.kill()


def test_a_copy_within_another_projects_checkout_has_no_commit(tmp_path, monkeypatch):
    for arguments in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "a"]):
        (tmp_path / "other.py").write_text("")
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    copy = tmp_path / "lib" / "eval" / "measure" / "environment.py"
    copy.parent.mkdir(parents=True)
    copy.write_text("")
    monkeypatch.setattr(environment, "ROOT", tmp_path / "lib")
    monkeypatch.setattr(environment, "__file__", str(copy))
    commit = environment.commit.__wrapped__  # without its cache
    assert commit() == "unknown"
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert commit().endswith("-dirty"), "a checkout of which it is a part"


def test_a_fresh_process_says_how_much_it_occupies_with_its_model_and_one_that_fails_nothing(shipped, monkeypatch):
    strategy = shipped.strategy("dense")
    assert 160 * 2**20 < resident_memory(shipped, strategy) < 2**33  # 117 MiB without the model, in 8 bits
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", ""))
    assert resident_memory(shipped, strategy) is None
