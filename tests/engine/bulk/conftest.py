from functools import partial

import pytest

from engine.bulk.__main__ import main
from tests.engine.bulk.made_up import write_folder

FILES, RECORDS = 4, 12


def run(*arguments, out, model, dtype="float32"):
    """Runs the command on inputs, with options that may override others."""
    return main(list(map(str, ("--out", out, "--model", model, "--threads", 1, "--dtype", dtype, *arguments))))


def no_kernel(*_):
    raise RuntimeError("no kernel\nat all")


@pytest.fixture(scope="session")
def pubmed(tmp_path_factory):
    """A folder of files in PubMed's format."""
    folder = tmp_path_factory.mktemp("pubmed")
    write_folder(folder, FILES, RECORDS)
    (folder / "pubmed99n0001.xml.gz.md5").write_text("not a file to tag\n")
    return folder


@pytest.fixture
def bulk(model_folder, tmp_path):
    """Runs it with results in ``out``."""
    return partial(run, out=tmp_path / "out", model=model_folder)
