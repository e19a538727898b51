"""What several tests of training start from."""

import shutil
from pathlib import Path

import pytest
from transformers import BertForTokenClassification


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
