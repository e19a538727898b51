"""A folder of any family: saved, loaded by plain Hugging Face, and used to tag beyond the encoder's limit."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

from engine import InputError, load_engine
from engine.pytorch.checkpoint import load_weights, save_weights
from engine.pytorch.packing import RaggedBatch
from engine.training.finetune import new_model
from tests.conftest import TEXT, plain_probabilities
from tests.engine.pytorch.families import FAMILIES, LABELS, every_family, huggingface, tiny, tokenizer_of
from tests.engine.pytorch.test_packing import window

TEXTS = (TEXT, "Nausea.", "語 α-tocopherol \x00 naïve 😀 Ωmega", TEXT * 6, "")


@every_family
def test_hugging_face_alone_loads_a_saved_folder_with_all_weights(family, folders):
    model, info = AutoModelForTokenClassification.from_pretrained(
        folders(family), dtype=torch.float32, output_loading_info=True
    )
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.config.id2label[1] == "B-Chemical"


@pytest.mark.parametrize("family", [*FAMILIES, "labels in another order"])
def test_dense_equals_the_plain_model_on_texts_of_any_length_and_script(family, folders, plain_folder):  # rule 1
    engine = load_engine(folders(family) if family in FAMILIES else plain_folder)
    plain = plain_probabilities(engine, TEXTS)
    for batch_size in (1, 8):
        dense = engine.tag_batch(TEXTS, "dense", batch_size=batch_size)
        for text, ours, theirs in zip(TEXTS, dense, plain, strict=True):
            assert len(ours.words) == len(ours.probabilities)
            np.testing.assert_allclose(ours.probabilities, theirs, atol=1e-4)
            assert all(text[entity.start : entity.end] == entity.text for entity in ours.entities)
            assert not any(entity.text != entity.text.strip() for entity in ours.entities)
    assert len(engine.pieces.windows((TEXT * 6).split())) > 1


@every_family
def test_a_base_model_becomes_a_model_with_gates(family, tmp_path):
    tokenizer = tokenizer_of(family)
    reference = huggingface(tiny(family, len(tokenizer), pad_token_id=tokenizer.pad_token_id)).base_model
    reference.save_pretrained(tmp_path / "base")
    save_weights(tmp_path / "model", new_model(str(tmp_path / "base"), LABELS), tokenizer)
    model = load_weights(tmp_path / "model").model
    assert model.has_gates
    batch = RaggedBatch.from_windows([window([1, 2, 3])])
    with torch.no_grad():
        hidden = model.encoder.embed(batch)
        for number in (1, 2):
            hidden = model.encoder.layer(number, hidden, batch)
        ids = torch.from_numpy(batch.input_ids)[None]
        for parameter in reference.parameters():
            parameter.copy_(parameter.half())  # as saved in a folder
        expected = reference(input_ids=ids, output_hidden_states=True).hidden_states[2][0]
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=1e-5)


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    config = tiny("roberta")
    config.auto_map = dict.fromkeys(("AutoConfig", "AutoModelForTokenClassification", "AutoTokenizer"), "own.Own")
    (tmp_path / "own.py").write_text("raise SystemExit('this ran')")
    for model_type in ("roberta", "own"):
        written = config.to_dict() | {"model_type": model_type}
        (tmp_path / "config.json").write_text(json.dumps(written))
        with pytest.raises(InputError):
            load_engine(tmp_path)
