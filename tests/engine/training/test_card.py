"""The card: what was measured, what is stored, and what is doubtful."""

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from engine.pruning.controllers import EntropyController
from engine.pruning.cost import Cost
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.text.scoring import Counts
from engine.training.card import Facts, advice, card, front_matter
from engine.training.options import AccelerateConfig
from engine.training.points import Choice
from engine.training.trials import Reference, Trial

DENSE = (Counts(10, 10, 10),) * 2
EARLY = Trial(Strategy((1,), EntropyController(1.0)), (Counts(9, 10, 10),) * 2, DENSE, Cost((1,), 2, 10, 13))
FAST = replace(EARLY, strategy=replace(EARLY.strategy, point="fast"))
CONFIG = AccelerateConfig(checkpoint="owner/name", out="out")


@pytest.fixture
def facts(engine, tmp_path):
    reference = Reference((), ("Gene",), 9, ())
    return Facts(CONFIG, "command", tmp_path, ("Gene",), 7, engine, reference, "a CPU", 0.5)


def test_the_card_says_what_a_student_was_and_how_to_use_what_is_stored(facts):
    page = card([Choice("dense", EARLY), Choice("careful", EARLY, 30.0), Choice("fast", FAST, 60.0)], facts)
    assert 'engine.tag("…", "entropy:fast")' in page
    assert ModelCard(page).data.base_model == ["owner/name"]
    page = card([Choice("dense", EARLY)], replace(facts, config=replace(CONFIG, student="owner/encoder")))
    assert ModelCard(page).data.base_model == ["owner/encoder"]


def test_a_point_that_was_not_reached_is_marked_and_has_a_remedy(facts):
    fast, careful = Choice("fast", FAST, 60.0), Choice("careful", EARLY, 30.0, reached=False)
    page = card([Choice("dense", EARLY), careful, fast], facts)
    assert "| `careful` (30): not reached; the closest |" in page
    assert "| `fast` (60) |" in page
    assert " Not reached: entropy:careful, entropy:balanced; " in advice({"entropy": [careful, fast]})
    assert advice({"entropy": [replace(fast, name=name) for name in OPERATING_POINTS]}) == ""


OLD = "---\nlicense: apache-2.0\nlanguage: [de]\nmetrics: [f1]\ntags: [x]\n---\n# Old\n"


def test_the_hub_reads_the_metadata_and_licence_and_language_are_those_of_the_checkpoint(tmp_path):
    (tmp_path / "README.md").write_text(OLD)
    data = ModelCard(front_matter(tmp_path, "owner/name")).data
    assert (data.license, data.language, data.library_name) == ("apache-2.0", ["de"], "transformers")
    assert (data.pipeline_tag, data.metrics, data.base_model) == ("token-classification", None, ["owner/name"])
    assert "token-pruning" in data.tags
    (tmp_path / "README.md").write_text("---\n: [\n---\n")
    assert ModelCard(front_matter(tmp_path)).data.license is None


@pytest.mark.parametrize("base", ["FOLDER", "a model in memory", "runs/of/mine"])
def test_a_base_model_that_the_hub_cannot_have_is_not_named(base, tmp_path):
    assert ModelCard(front_matter(tmp_path, base.replace("FOLDER", str(tmp_path)))).data.base_model is None
