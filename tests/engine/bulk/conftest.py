from functools import partial

import pytest

from engine.bulk.__main__ import main


def run(*arguments, out, model, dtype="float32"):
    """Runs the command on inputs, with options that may override others."""
    return main(list(map(str, ("--out", out, "--model", model, "--threads", 1, "--dtype", dtype, *arguments))))


@pytest.fixture
def bulk(model_folder, tmp_path):
    """Runs it with results in ``out``."""
    return partial(run, out=tmp_path / "out", model=model_folder)
