"""A cascade is made from two models and plain texts, holds both unchanged, and is compared with them."""

from functools import partial

import numpy as np
import pytest
from huggingface_hub import ModelCard

from engine.errors import InputError
from engine.loading import load_engine
from engine.models.folder import SMALL
from engine.pruning.cost import Cost
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.text.scoring import Counts
from engine.training.cascade import main, thresholds_of, worth
from engine.training.options import by_point
from engine.training.points import Choice
from engine.training.trials import Trial
from tests.conftest import SAMPLE, TEXT, contents

SMALL_STRATEGY = "truncate-1"
WORDS = TEXT.split()
TEXTS = [" ".join(np.random.default_rng(seed).choice(WORDS, 12)) for seed in range(120)]


def test_makes_a_folder_that_knows_both_models_and_says_how_they_compare(model_folder, tmp_path, capsys):
    texts, out = tmp_path / "texts.txt", tmp_path / "cascade"
    texts.write_text("\n".join(TEXTS))
    small = f"--small {model_folder} --small-strategy {SMALL_STRATEGY} --dtype float32"
    options = f"{small} --lines --texts {texts} --corpus {SAMPLE} --out {out}"
    assert main([str(model_folder), *options.split()]) == 0
    for name, raw in contents(model_folder).items():
        assert (out / SMALL / name).read_bytes() == raw
        assert (out / name).read_bytes() == raw
    engine = load_engine(out, "float32")
    thresholds = [engine.strategy(f"cascade:{point}").settings()["threshold"] for point in OPERATING_POINTS]
    assert 0 < thresholds[0] <= thresholds[1] <= thresholds[2]
    windows = [window for result in engine.tag_batch(TEXTS, "cascade:careful") for window in result.trace.windows]
    words = sum(window.end - window.first for window in windows)
    assert sum(window.end - window.first for window in windows if window.read) / words == pytest.approx(0.6, abs=0.05)
    said = capsys.readouterr()
    page = ModelCard.load(out / "README.md")
    for text in (said.out, page.text):
        rows = {line.split(" | ")[0]: line.split(" | ") for line in text.splitlines() if line.startswith("| `")}
        assert list(rows) == [f"| `{name}`" for name in ("dense", "small", *OPERATING_POINTS)]
        assert rows["| `dense`"][1:8] == ["100.00 ± 0.00", "–", "100%", "1.00×", "1.00×", "1.00×", "100%"]
        assert rows["| `small`"][7] == "0%"
    assert f"python -m engine.training.cascade {model_folder} --small" in page.text
    assert page.data.pipeline_tag == "token-classification"


def shares(text):
    return by_point([*map(float, text.split(","))], "--share", descending=True)


def test_thresholds_send_the_share_of_words_nearest_to_the_wanted_one_and_equal_doubts_go_together():
    doubts, words = np.array([1.0, 3.0, 3.0, 2.0, 0.5]), np.array([10, 10, 10, 10, 60])
    chosen = thresholds_of(doubts, words, shares("0.39,0.3,0.1"))
    assert chosen == {"careful": (1.0, 0.4), "balanced": (2.0, 0.3), "fast": (3.0, 0.2)}
    with pytest.raises(InputError, match=r"--share 0\.9 would send every window"):
        thresholds_of(doubts, words, shares("0.9,0.3,0.1"))


def choices(careful=2.0):
    speeds = {"dense": 1.0, "small": 10.0, "careful": careful}
    counts = (Counts(1, 1, 1),)
    trial = partial(Trial, Strategy(), counts, counts, Cost((1,), 1, 1, 1))
    return [Choice(name, trial(speedups={1: speed})) for name, speed in speeds.items()]


@pytest.mark.parametrize(
    ("given", "f1", "said"),
    [
        (choices(careful=0.9), (), "Not worth it: LARGE is no slower; use it alone."),
        (choices(), (0.8, 0.85, 0.86), "Not worth it: the F1 of SMALL on gold is no lower; use it alone."),
        (choices(), (0.8, 0.7, 0.81), "careful is 2.0× as fast as LARGE, and its F1 is 1.0 points higher."),
        (choices(), (0.8, 0.7, 0.79), "1.0 points lower"),
        (choices(), (), "--corpus"),
    ],
)
def test_a_sentence_says_whether_it_is_worth_it(given, f1, said):
    assert said in worth(given, dict(zip(("dense", "small", "careful"), f1, strict=False)))
