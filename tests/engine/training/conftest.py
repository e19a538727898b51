"""What several tests of training start from."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertForTokenClassification, BertModel, PreTrainedTokenizerFast

from engine.training import points, stages, sweep, trainer
from tests.conftest import tiny_config


@pytest.fixture(autouse=True, scope="session")
def _float32() -> None:
    """Whether bfloat16 is faster depends on how busy the machine is."""
    trainer.BFLOAT16_TIME = 0.0


def quick(patch: pytest.MonkeyPatch) -> None:
    """Few settings are tried, and what is measured does not depend on how busy the machine is."""
    patch.setattr(sweep, "SCALES", sweep.SCALES[::5])
    patch.setattr(points, "speedups", lambda _, names, *__: {name: {1: 1.1, 32: 1.1} for name in names})
    patch.setattr(stages, "busy_share", lambda: 0.0)


@pytest.fixture(scope="session")
def encoder(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pretrained encoder of two layers, without label heads."""
    folder, config = tmp_path_factory.mktemp("encoder"), tiny_config(len(tokenizer), layers=2)
    config.initializer_range = 0.1
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def easy_folder(plain_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose layers change little, so that early ones predict the final output."""
    folder = Path(shutil.copytree(plain_folder, tmp_path_factory.mktemp("checkpoint") / "plain"))
    model = BertForTokenClassification.from_pretrained(folder)
    for name, parameter in model.named_parameters():
        if ".output.dense." in name:
            parameter.data *= 0.1
    model.save_pretrained(folder)
    return folder
