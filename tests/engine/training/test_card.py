"""The card: what was measured, what is stored, and what is doubtful."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from engine.pruning.controllers import EntropyController
from engine.pruning.cost import Cost
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.text.scoring import Counts
from engine.training.card import CascadeFacts, Facts, advice, card, cascade_card
from engine.training.points import Choice
from engine.training.trials import Trial

DENSE = (Counts(10, 10, 10),) * 2
EARLY = Trial(Strategy((1,), EntropyController(1.0)), (Counts(9, 10, 10),) * 2, DENSE, Cost((1,), 2, 10, 13))
FAST = replace(EARLY, strategy=replace(EARLY.strategy, point="fast"))
SHARED = {"folder": Path("none"), "made_by": "command", "types": ("Gene",), "dtype": "float32", "device": "a CPU"}
FACTS = Facts(checkpoint="owner/name", student="", layers=3, texts=7, epochs=2, held_out=9, windows=9, entities=60,
              busy=0.5, **SHARED)  # fmt: skip


def test_the_card_says_what_a_student_was_and_how_to_use_what_is_stored():
    page = card([Choice("dense", EARLY), Choice("careful", EARLY, 30.0), Choice("fast", FAST, 60.0)], FACTS)
    assert 'engine.tag("…", "entropy:fast")' in page
    assert ModelCard(page).data.base_model == ["owner/name"]
    page = card([Choice("dense", EARLY)], replace(FACTS, student="owner/encoder"))
    assert ModelCard(page).data.base_model == ["owner/encoder"]


def test_a_point_that_was_not_reached_is_marked_and_has_a_remedy():
    fast, careful = Choice("fast", FAST, 60.0), Choice("careful", EARLY, 30.0, reached=False)
    page = card([Choice("dense", EARLY), careful, fast], FACTS)
    assert "| `careful` (30): not reached; the closest |" in page
    assert "| `fast` (60) |" in page
    assert " Not reached: entropy:careful, entropy:balanced; " in advice({"entropy": [careful, fast]})
    assert advice({"entropy": [replace(fast, name=name) for name in OPERATING_POINTS]}) == ""


CASCADE = CascadeFacts(large="owner/large", small="owner/small", strategy="entropy", texts=7, **SHARED)
CARDS = [
    lambda folder: card([Choice("dense", EARLY)], replace(FACTS, folder=folder)),
    lambda folder: cascade_card("", replace(CASCADE, folder=folder)),
]
OLD = "---\nlicense: apache-2.0\nlanguage: [de]\nmetrics: [f1]\ntags: [x]\n---\n# Old\n"


@pytest.mark.parametrize("make", CARDS)
def test_the_hub_reads_the_metadata_and_licence_and_language_are_those_of_the_checkpoint(make, tmp_path):
    (tmp_path / "README.md").write_text(OLD)
    data = ModelCard(make(tmp_path)).data
    assert (data.license, data.language, data.library_name) == ("apache-2.0", ["de"], "transformers")
    assert (data.pipeline_tag, data.metrics) == ("token-classification", None)
    assert "token-pruning" in data.tags
    (tmp_path / "README.md").write_text("---\n: [\n---\n")
    assert ModelCard(make(tmp_path)).data.license is None


@pytest.mark.parametrize("base", ["FOLDER", "a model in memory", "runs/of/mine"])
def test_a_base_model_that_the_hub_cannot_have_is_not_named(base, tmp_path):
    page = card([Choice("dense", EARLY)], replace(FACTS, checkpoint=base.replace("FOLDER", str(tmp_path))))
    assert ModelCard(page).data.base_model is None
