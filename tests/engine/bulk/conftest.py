from functools import partial

import pytest

from engine.bulk.__main__ import main


def options(*arguments, out, model, dtype="float32"):
    """The command's arguments: inputs, and options that may override others."""
    return [str(one) for one in ("--out", out, "--model", model, "--threads", 1, "--dtype", dtype, *arguments)]


def run(*arguments, **where):
    return main(options(*arguments, **where))


@pytest.fixture
def bulk(model_folder, tmp_path):
    """Runs the command on inputs, with results in ``out``."""
    return partial(run, out=tmp_path / "out", model=model_folder)
