"""The sentence on what the default strategy gains."""

import pytest

from eval.render.conclusions import Opening

ROW = {"batch_size": 1, "device": "cpu"}


def rows(*variants):
    return [
        ROW | {"label": f"{name} ({dtype})", "dtype": dtype, "speedup_vs_dense": speedup}
        for name, dtype, speedup in variants
    ]


def headline(rows, intervals):
    return Opening(rows, intervals, {}).headline()


def interval(label, against, speedup, difference, size=1):
    measured = {"speedup": speedup, "speedup_low": speedup - 0.1, "difference": difference, "significant": False}
    return {"label": label, "against": against, "batch_size": size, **measured}


DEFAULT = rows(("entropy:balanced", "float32", 2.0), ("entropy:balanced", "int8", 3.0), ("entropy:fast", "int8", 4.0))
INTERVALS = [
    interval("entropy:balanced (int8)", "hf-pipeline", 6.0, -0.002, size=32),
    interval("entropy:balanced (float32)", "hf-pipeline", 2.7, -0.003),
    interval("entropy:balanced (int8)", "dense", 3.0, -0.004),
    interval("entropy:balanced (int8)", "hf-pipeline", 4.149, -0.00112),
    interval("entropy:balanced (int8)", "openvino-int8", 1.6, -0.0006),
]


def test_it_compares_the_default_in_its_fastest_dtype_with_what_people_use_one_text_at_a_time():
    assert headline(DEFAULT, INTERVALS) == (
        "4.1× as fast as the Hugging Face pipeline on a CPU (F1 −0.1 pp, not significant), "
        "and 1.6× as fast as OpenVINO in 8 bits"
    )


@pytest.mark.parametrize(
    ("rows", "intervals"),
    [
        (DEFAULT, [one for one in INTERVALS if one["against"] != "hf-pipeline"]),
        (DEFAULT, [one for one in INTERVALS if one["against"] != "openvino-int8"]),
        (DEFAULT, [one | {"speedup_low": float("nan")} for one in INTERVALS]),
        (DEFAULT[2:], INTERVALS),
    ],
    ids=["no pipeline", "no runtime", "too few texts", "no default"],
)
def test_nothing_is_claimed_without_all_that_it_takes(rows, intervals):
    assert headline(rows, intervals) == ""


def test_the_faster_runtime_is_the_one_that_is_named():
    claimed = headline(DEFAULT, [*INTERVALS, interval("entropy:balanced (int8)", "onnx-int8", 1.34, 0.0)])
    assert "1.3× as fast as ONNX Runtime in 8 bits" in claimed
    assert "OpenVINO" not in claimed
