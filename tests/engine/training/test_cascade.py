"""A cascade is made from two models and plain texts, holds both unchanged, and is compared with them."""

import numpy as np
import pytest
from huggingface_hub import ModelCard

from engine.errors import InputError
from engine.loading import load_engine
from engine.models.folder import SMALL
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.training.cascade import Contender, main, thresholds_of
from engine.training.options import by_point
from tests.conftest import SAMPLE, TEXT, contents

SMALL_STRATEGY = "truncate-1"
WORDS = TEXT.split()
TEXTS = [" ".join(np.random.default_rng(seed).choice(WORDS, 12)) for seed in range(120)]


def test_makes_a_folder_that_knows_both_models_and_says_how_they_compare(model_folder, tmp_path, capsys):
    texts, out = tmp_path / "texts.txt", tmp_path / "cascade"
    texts.write_text("\n".join(TEXTS))
    options = f"--small {model_folder} --small-strategy {SMALL_STRATEGY} --texts {texts} --corpus {SAMPLE} --out {out}"
    assert main([str(model_folder), *options.split(), "--dtype", "float32"]) == 0
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
    assert "| LARGE | 100% | 100.0% | 1.00× | 1.00× |" in said.out
    assert all(f"| cascade:{point} |" in said.out for point in OPERATING_POINTS)
    assert "Next: python -m engine.tag FILE --model" in said.err
    page = ModelCard.load(out / "README.md")
    assert "| LARGE | 100% | 100.0% | 1.00× | 1.00× |" in page.text
    assert f"python -m engine.training.cascade {model_folder} --small" in page.text
    assert page.data.pipeline_tag == "token-classification"


def shares(text):
    return by_point([*map(float, text.split(","))], "--share", descending=True)


def test_thresholds_send_the_share_of_words_nearest_to_the_wanted_one_and_equal_doubts_go_together():
    doubts, words = np.array([1.0, 3.0, 3.0, 2.0, 0.5]), np.array([10, 10, 10, 10, 60])
    chosen = thresholds_of(doubts, words, shares("0.39,0.3,0.1"))
    assert chosen == {"careful": (1.0, 0.4), "balanced": (2.0, 0.3), "fast": (3.0, 0.2)}
    with pytest.raises(InputError, match="--share at careful, got"):
        thresholds_of(doubts, words, shares("0.9,0.3,0.1"))


def rows(small_speedup=10.0, cascade_speedup=2.0, f1=(None, None, None)):
    speeds = {"LARGE": 1.0, "SMALL": small_speedup, "cascade:careful": cascade_speedup}
    return [
        Contender(name, 0.5, 0.9, {1: speed}, score) for (name, speed), score in zip(speeds.items(), f1, strict=True)
    ]


@pytest.mark.parametrize(
    ("given", "said", "best"),
    [
        (rows(small_speedup=0.9), "LARGE is no slower than SMALL", "LARGE"),
        (rows(cascade_speedup=0.9), "no faster than LARGE", "LARGE"),
        (rows(f1=(0.8, 0.85, 0.86)), "the F1 of SMALL on gold is no lower", "SMALL"),
        (rows(f1=(0.8, 0.7, 0.81)), "Worth it: cascade:careful is 2.0× as fast as LARGE, and its F1 is", "cascade:"),
        (rows(f1=(0.8, 0.7, 0.79)), "1.0 pp lower", "cascade:"),
        (rows(), "--corpus", "cascade:"),
    ],
)
def test_the_last_lines_say_whether_it_is_worth_it_and_name_the_model_to_use(
    given, said, best, model_folder, plain_folder, tmp_path, monkeypatch, capsys
):
    texts, out = tmp_path / "texts.txt", tmp_path / "a cascade"
    texts.write_text("\n".join(TEXTS))
    monkeypatch.setattr("engine.training.cascade.make_cascade", lambda *_: given)
    assert main([str(plain_folder), "--small", str(model_folder), "--texts", str(texts), "--out", str(out)]) == 0
    *_, sentence, following = capsys.readouterr().err.splitlines()
    assert said in sentence
    model = {"LARGE": plain_folder, "SMALL": model_folder, "cascade:": f"'{out}'"}[best]
    assert following == f"Next: python -m engine.tag FILE --model {model}"
