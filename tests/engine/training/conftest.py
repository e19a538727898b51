"""What several tests of training start from."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertForTokenClassification, BertModel, PreTrainedTokenizerFast

from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.training import card, distill, sweep
from tests.conftest import tiny_config


def quick(patch: pytest.MonkeyPatch) -> None:
    """Training is short, two settings are tried, and what is measured does not depend on how busy the machine is."""
    settings = [Strategy("entropy", (1,), EntropyController(value, exit_entities=True)) for value in (0.06, 0.54)]
    patch.setattr(sweep, "grid", lambda *_: [settings])
    patch.setattr(sweep, "around", lambda _: ())
    patch.setitem(distill.SETTINGS, "epochs", 2)
    patch.setattr(card, "speedups", lambda engine, strategies, *_: [1.0, *(1.1,) * (len(strategies) - 1)])
    patch.setattr(card, "busy_share", lambda: 0.0)


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
