"""A folder of any family: saved, loaded by plain Hugging Face, and used to tag beyond the encoder's limit."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

from engine import InputError, load_engine
from tests.conftest import TEXT, plain_probabilities
from tests.engine.pytorch.families import FAMILIES, every_family, tiny

TEXTS = (TEXT, "Nausea.", "語 α-tocopherol \x00 naïve 😀 Ωmega", TEXT * 6, "")


@every_family
def test_hugging_face_alone_loads_a_saved_folder_with_all_weights(family, folders):
    model, info = AutoModelForTokenClassification.from_pretrained(
        folders(family), dtype=torch.float32, output_loading_info=True
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.config.id2label[1] == "B-Chemical"
    assert json.loads((folders(family) / "config.json").read_text())["dtype"] == "float16"  # that of the tensors


@pytest.mark.parametrize("family", [*FAMILIES, "labels in another order"])
def test_dense_equals_the_plain_model_on_texts_of_any_length_and_script(family, folders, plain_folder):  # rule 1
    engine = load_engine(folders(family) if family in FAMILIES else plain_folder, "float32")
    plain = plain_probabilities(engine, TEXTS)
    for batch_size in (1, 8):
        dense = engine.tag_batch(TEXTS, "dense", batch_size=batch_size)
        for text, ours, theirs in zip(TEXTS, dense, plain, strict=True):
            assert len(ours.words) == len(ours.probabilities)
            np.testing.assert_allclose(ours.probabilities, theirs, atol=1e-4)
            assert all(text[entity.start : entity.end] == entity.text for entity in ours.entities)
            assert not any(entity.text != entity.text.strip() for entity in ours.entities)
    assert len(engine.pieces.windows((TEXT * 6).split())) > 1


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    config = tiny("roberta")
    config.auto_map = dict.fromkeys(("AutoConfig", "AutoModelForTokenClassification", "AutoTokenizer"), "own.Own")
    (tmp_path / "own.py").write_text("raise SystemExit('this ran')")
    for model_type in ("roberta", "own"):
        (tmp_path / "config.json").write_text(json.dumps(config.to_dict() | {"model_type": model_type}))
        with pytest.raises(InputError):
            load_engine(tmp_path)
