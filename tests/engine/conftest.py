from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from engine.base import Engine
from engine.models.folder import NETWORKS, read_folder
from engine.models.network_file import write_network
from engine.pytorch.backend import PyTorchBackend
from engine.pytorch.checkpoint import save_weights
from tests.engine.pytorch.families import gated, huggingface, network, tiny, tokenizer_of


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with gates and learned controllers for each family, made on first use."""

    @cache
    def folder(family: str) -> Path:
        made, tokenizer = tmp_path_factory.mktemp(family), tokenizer_of(family)
        model = gated(huggingface(tiny(family, len(tokenizer), pad_token_id=tokenizer.pad_token_id)))
        for head in model.heads.values():
            head.bias.data[0] += 1  # most words are outside, as in real text
        save_weights(made, model, tokenizer)
        for name in NETWORKS.values():
            write_network(made / name, network())
        return made

    return folder


@pytest.fixture(scope="session")
def engines(folders: Callable[[str], Path]) -> Callable[[str], tuple[Engine, PyTorchBackend]]:
    """For each family an engine, which computes in a graph, and the same model in PyTorch."""

    @cache
    def both(family: str) -> tuple[Engine, PyTorchBackend]:
        folder = read_folder(folders(family))
        return Engine(folder, "float32"), PyTorchBackend(folder, "float32", "cpu")

    return both


@pytest.fixture(scope="session")
def quantised(model_folder: Path) -> Engine:
    return Engine(read_folder(model_folder), "int8")
