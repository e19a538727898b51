"""A report must tell when something else ran on the machine."""

import subprocess
import sys

import psutil

from eval.measure.environment import busy


def test_work_of_other_processes_is_seen():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            assert busy() > 0.5 / (psutil.cpu_count() or 1)
        finally:
            other.kill()
