"""A cascade equals its small model where nothing goes on, its large model where everything does."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engine.errors import InputError
from engine.loading import load_engine
from engine.models.folder import SMALL
from engine.models.points_file import CASCADES
from engine.paths import State
from engine.pruning.controllers.entropy import EntropyController
from engine.pruning.strategy import Strategy
from tests.conftest import TEXT, cascade, configure, flip_last_bit

LONG = " ".join([TEXT] * 6)  # several windows
TEXTS = [TEXT, "", LONG, "Nausea after famotidine.", f"{TEXT} and hypotension"]


def test_a_threshold_that_no_window_reaches_gives_the_small_model_and_zero_the_large_one(both, engine, plain_engine):
    for found, small in zip(both.tag_batch(TEXTS, cascade(1e6)), engine.tag_batch(TEXTS, "dense"), strict=True):
        assert found.entities == small.entities
        assert not any(window.read for window in found.trace.windows)
    for found, large in zip(both.tag_batch(TEXTS, cascade(0)), plain_engine.tag_batch(TEXTS, "dense"), strict=True):
        assert found.entities == large.entities
        np.testing.assert_allclose(found.probabilities, large.probabilities, atol=1e-6)


def test_only_windows_in_doubt_go_on_and_where_both_read_labels_come_from_the_weighted_mean(both, engine, plain_engine):
    order = [engine.labels.names.index(name) for name in plain_engine.labels.names]
    small, large = engine.tag(LONG, "dense").probabilities[:, order], plain_engine.tag(LONG, "dense").probabilities
    doubts = [window.doubt for window in both.tag(LONG, cascade(0)).trace.windows]
    result = both.tag(LONG, cascade(sorted(doubts)[1], weight=0.25))
    windows = result.trace.windows
    assert [window.read for window in windows] == [doubt >= sorted(doubts)[1] for doubt in doubts]
    assert [0, *(window.end for window in windows)] == [*(window.first for window in windows), len(result.words)]
    for window in windows:
        labelled, weight = slice(window.first, window.end), 0.25 if window.read else 1
        expected = weight * small[labelled] + (1 - weight) * large[labelled]
        np.testing.assert_allclose(result.probabilities[labelled], expected, atol=1e-5)


def test_cost_counts_both_models(both, engine, plain_engine):
    small, large = engine.tag(LONG, "dense").cost, plain_engine.tag(LONG, "dense").cost
    nothing, everything = (both.tag(LONG, cascade(threshold)).cost for threshold in (1e6, 0))
    assert nothing.macs == small.macs
    assert everything.macs == small.macs + large.macs
    assert nothing.dense_macs == everything.dense_macs == large.macs
    assert everything.rows == small.rows + large.rows


@pytest.mark.parametrize(("threshold", "exits", "layer", "state", "gates"), [
    (1e6, True, 1, State.EXITED, [1]),
    (1e6, False, 3, State.EXITED, [1]),  # the last layer of the small model
    (0, True, 1, State.RECOVERED, [1]),
    (0, False, 6, State.KEPT, [1]),
])  # fmt: skip
def test_layers_and_gates_are_numbered_through_both_models(threshold, exits, layer, state, gates, both, engine):
    strategy = engine.strategy("entropy", gates=(1,), max_entropy=float(exits), exit_entities=True)
    result = both.tag(TEXT, cascade(threshold, small=strategy))
    assert (set(result.paths.layer), set(result.paths.state)) == ({layer}, {state})
    assert result.exit_layers == (1, 3)
    assert len(result.trace.words) == len(result.words)
    for word in result.trace.words:
        assert (word.layer, [gate.layer for gate in word.gates]) == (layer, gates)


@pytest.mark.parametrize(("threshold", "share"), [(0, 0.5), (1e6, 0.5), (0, 0.9)])
def test_an_error_raised_while_a_stage_runs_ends_the_call(threshold, share, both, monkeypatch):
    ran = []
    for stage in both.stages:
        run = stage.run
        monkeypatch.setattr(stage, "run", lambda *given, run=run, stage=stage: ran.append(stage) or run(*given))

    def stop(done, total):
        if done >= share * total:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        both.tag_batch([LONG, TEXT], cascade(threshold), on_window=stop)
    assert ran == [*both.stages][: 1 if share == 0.5 else 2]


@pytest.mark.parametrize("strategy", [cascade(0), cascade(5), cascade(1e6), Strategy()], ids=str)
def test_progress_counts_the_windows_of_every_stage_that_runs(strategy, both):
    told, stages = [], both.stages_of(strategy)
    both.tag_batch([LONG, TEXT, ""], strategy, batch_size=2, on_window=lambda *counts: told.append(counts))
    windows = sum(len(text_windows) for stage in stages for text_windows in stage.pieces.of_texts([LONG, TEXT, ""])[1])
    assert {total for _, total in told} == {windows}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1][0] == windows
    assert len(told) == windows or len(stages) > 1


def test_doubt_is_the_expected_number_of_wrong_labels_of_a_window():
    (judged,) = cascade(0.5).judge(
        np.array([[0.98, 0.01, 0.01], [0.3, 0.6, 0.1]]), [SimpleNamespace(label_start=0, label_end=2)]
    )
    assert (judged.doubt, judged.read) == (pytest.approx(0.42), False)


def test_finds_its_operating_points_by_name_and_is_the_default_in_its_folder(both, engine):
    assert both.tag(TEXT).strategy.name == "cascade"
    assert both.strategy("cascade").settings()["threshold"] == 5
    assert both.strategy("cascade:careful").settings()["threshold"] == 1
    assert both.strategy("cascade", "careful", threshold=2.5).settings()["threshold"] == 2.5
    with pytest.raises(InputError, match="no operating point"):
        both.strategy("cascade:fast")
    with pytest.raises(InputError, match="is no cascade"):
        engine.strategy("cascade:fast")


def test_gates_of_the_large_model_need_a_model_that_has_them(both):
    with pytest.raises(InputError, match="has no gates"):
        both.tag(TEXT, replace(cascade(0.0), gates=(1,), controller=EntropyController()))


def rename_labels(folder):
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    configure(folder, id2label={key: name.replace("Disease", "Illness") for key, name in labels.items()})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda folder: shutil.rmtree(folder / SMALL), "small'"),
        (lambda folder: flip_last_bit(folder / SMALL / "model.safetensors"), "small/gates.safetensors .*other weights"),
        (lambda folder: (folder / CASCADES).write_text("{}["), "cascade.json"),
        (rename_labels, "The small model's labels .* Train it on those: bioner finetune"),
    ],
)
def test_rejects_a_folder(cascade_folder, tmp_path, change, problem):
    folder = shutil.copytree(cascade_folder, tmp_path / "folder")
    change(folder)
    with pytest.raises(InputError, match=problem):
        load_engine(folder)


def test_other_labels_are_refused_before_weights_are_read(cascade_folder, tmp_path):
    folder = shutil.copytree(cascade_folder, tmp_path / "folder")
    rename_labels(folder)
    for weights in (folder / "model.safetensors", folder / SMALL / "model.safetensors"):
        weights.write_bytes(b"")
    with pytest.raises(InputError, match="The small model's labels"):
        load_engine(folder)
