"""What comes with the repository works as it stands: weights, sample corpus, README, Space front matter."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
from huggingface_hub.cli.hf import app as hf
from packaging.requirements import Requirement

from engine import load_engine
from engine.checkpoint import SHIPPED
from engine.data.corpora import load_corpus
from engine.tagger import Engine
from engine.text.labels import LabelSet
from engine.text.words import split_words
from eval.report import SAMPLE

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def shipped() -> Engine:
    return load_engine()


def test_the_shipped_weights_verify_and_weigh_at_most_50_mb(shipped):
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 50e6
    assert shipped.labels.types == ("Chemical", "Disease")
    assert shipped.model.has_gates


@pytest.mark.parametrize("strategy", ["dense", "hf", "rule", "entropy", "truncate-3"])
def test_every_strategy_finds_the_plain_entities_of_a_plain_sentence(shipped, strategy):
    found = shipped.tag("The patient developed severe hypotension after receiving aspirin.", strategy).entities
    assert [(entity.text, entity.type) for entity in found] == [("hypotension", "Disease"), ("aspirin", "Chemical")]


@pytest.mark.parametrize("name", ["entropy", "rule"])
def test_every_pruning_strategy_has_its_points_and_a_quicker_one_computes_less(shipped, name):
    texts = [document.text for document in load_corpus(str(SAMPLE), limit=8).documents]

    def cost(strategy: str, point: str | None = None) -> int:
        return sum(result.cost.multiply_adds for result in shipped.tag_batch(texts, strategy, point))

    assert list(shipped.points[name]) == ["exact", "balanced", "fast"]
    # Two points may be one setting, where no quicker one loses as little as the second allows.
    assert cost(name, "fast") <= cost(name, "balanced") <= cost(name, "exact") < cost("dense")
    assert cost(name, "fast") < cost(name, "exact")


def test_lambda_prunes_strictly_more_over_its_range_on_real_text(shipped):
    texts = [document.text for document in load_corpus(str(SAMPLE), limit=8).documents]
    low, high = -2.0, 2.0
    kept = [
        sum(r.cost.token_layers for r in shipped.tag_batch(texts, "rule", lambda_=low + step, min_keep_ratio=0.0))
        for step in range(int(high - low) + 1)
    ]
    assert kept == sorted(set(kept), reverse=True)


def test_gold_to_labels_to_spans_gives_back_the_sample_corpus():
    corpus = load_corpus(str(SAMPLE))
    labels = LabelSet(corpus.types)
    for document in corpus.documents:
        words = split_words(document.text)
        decoded = labels.decode(document.text, words, np.eye(len(labels))[labels.encode(words, document.entities)])
        assert [entity.key for entity in decoded] == [entity.key for entity in document.entities]


def test_the_space_front_matter_matches_the_requirements():
    front = dict(re.findall(r'^(\w+): "?([^"\n]+)"?$', (ROOT / "README.md").read_text().split("---")[1], re.MULTILINE))
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    wanted = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert wanted is not None
    assert [int(part) for part in front["python_version"].split(".")] >= [int(part) for part in wanted[1].split(".")]
    gradio = re.search(r"^gradio[^#]*", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert gradio is not None
    assert front["sdk_version"] in Requirement(gradio[0].strip()).specifier
    assert len(front["short_description"]) <= 60  # what the Hub allows


def test_the_commands_for_a_space_are_ones_that_hf_understands():
    readme = (ROOT / "README.md").read_text()
    lines = [line for pair in re.findall(r"^(hf .+)|`(hf [^`]+)`", readme, re.MULTILINE) for line in pair if line]
    assert len(lines) >= 4
    for line in lines:
        command, (_, *arguments) = hf, shlex.split(line)
        context = click.Context(command)
        while isinstance(command, click.Group):
            _, command, arguments = command.resolve_command(context, arguments)
            context = click.Context(command, parent=context)
        command.make_context(command.name, arguments)  # raises what the command line would print


def test_pictures_and_files_that_the_readme_links_to_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
