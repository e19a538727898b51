"""Models to train: encoders of fewer layers, and the label heads that they begin with."""

import pytest
import torch

from engine.models.folder import read_folder
from engine.pruning.policies import KeepAll
from engine.pytorch.checkpoint import load_weights, save_weights
from engine.pytorch.forward import forward
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.words import words_of
from engine.training.heads import load_trainable
from engine.training.options import read_backbone
from tests.conftest import TEXT
from tests.engine.pytorch.families import LABELS, every_family, gated, huggingface, tiny, tokenizer_of


@every_family
@pytest.mark.parametrize("plain", [False, True])
def test_a_model_of_fewer_layers_has_the_label_heads_of_the_backbones_gates(family, plain, tmp_path):
    save_weights(tmp_path / "whole", gated(huggingface(tiny(family, vocabulary=400))), tokenizer_of(family))
    whole = load_weights(tmp_path / "whole").model
    model, tokenizer, pieces = load_trainable(read_backbone(str(tmp_path / "whole"), LABELS, layers=2, plain=plain))
    save_weights(tmp_path / "short", model, tokenizer)
    short = read_folder(tmp_path / "short")
    assert (short.family.num_layers, short.has_gates, len(model.heads)) == (2, not plain, 1 if plain else 2)
    torch.testing.assert_close(model.heads["2"].weight, whole.heads["2"].weight)
    if family == "modernbert":
        return  # a prediction head, which gates lack, comes before its classifier
    batch = RaggedBatch.from_windows(pieces.windows(words_of(TEXT)))
    with torch.inference_mode():
        end, gate = forward(model, batch, (), None).heads[-1], forward(whole, batch, (1, 2), KeepAll()).heads[1]
    torch.testing.assert_close(end.logits, gate.logits)


@pytest.mark.parametrize("plain", [True, False])
def test_a_model_with_gates_gets_new_label_heads_for_other_labels(model_folder, plain):
    model = load_trainable(read_backbone(str(model_folder), LabelSet(("Gene",)), layers=2, plain=plain)).model
    heads = {layer: head.out_features for layer, head in model.heads.items()}
    assert (heads, model.encoder.num_layers) == ({"2": 3} if plain else {"1": 3, "2": 3}, 2)
