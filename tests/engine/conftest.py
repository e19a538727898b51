import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from engine import Engine, load_engine
from engine.pytorch.checkpoint import save_weights
from tests.engine.pytorch.families import gated, huggingface, tiny, tokenizer_of


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with gates for each family, made on first use."""

    @cache
    def folder(family: str) -> Path:
        made, tokenizer = tmp_path_factory.mktemp(family), tokenizer_of(family)
        model = gated(huggingface(tiny(family, len(tokenizer), pad_token_id=tokenizer.pad_token_id)))
        for head in model.heads.values():
            head.bias.data[0] += 4  # most words are outside, as in real text
        save_weights(made, model, tokenizer)
        return made

    return folder


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Engine:
    """The tiny model, which finds entities, with a compiled pass that is not quantised."""
    pytest.importorskip("openvino")
    from tests.engine.compiled.compiling import add_unquantised

    folder = Path(shutil.copytree(model_folder, tmp_path_factory.mktemp("compiled") / "model"))
    add_unquantised(folder)
    return load_engine(folder, "int8")
