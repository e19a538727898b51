"""Tiny real models, built on the fly. Nothing here needs a network."""

import os
import signal

os.environ["HF_HUB_OFFLINE"] = "1"

import gc
import json
import shutil
import string
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from engine.base import Engine
from engine.cascade import Cascade
from engine.loading import load_engine
from engine.models.folder import SMALL
from engine.models.points_file import CASCADES
from engine.models.tokenizer import load_tokenizer
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import Weights, load_huggingface, load_weights, save_weights
from engine.pytorch.model import Encoder, GatedModel
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces
from engine.training.calibrate import store
from eval.measure.environment import has_vnni
from tests.demo.serving import browser_path, chromium

hypothesis.settings.register_profile("default", max_examples=40, deadline=None)  # times vary on shared machines
hypothesis.settings.load_profile("default")
torch.set_num_threads(1)  # tiny models spend more time waking threads than computing
sys.modules["openvino_telemetry"] = None  # to try to send it takes longer than to convert a tiny model
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore interruptions

SAMPLE = Path(__file__).resolve().parents[1] / "eval" / "sample" / "sample.pubtator.txt"
TEXT = (
    "Famotidine-associated delirium. Six patients on famotidine (20 mg/day) had delirium, nausea and hypotension; "
    "all recovered after famotidine was stopped."
)

_PIECES = ["fam", "##ot", "##idine", "del", "##irium", "patients", "nausea", "hyp", "##ot", "##ension", "and", "after"]


def write_vocabulary(folder: Path, *, cased: bool = False, config: bool = True) -> None:
    """A WordPiece vocabulary that can spell any ASCII word, without tokenizer settings if ``config`` is false."""
    letters = string.ascii_letters if cased else string.ascii_lowercase
    characters = [*letters, *string.digits, *string.punctuation, "é", "α"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{c}" for c in characters), *_PIECES]
    if cased:
        vocabulary += ["Chem", "##ical"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocabulary)) + "\n")
    if config:
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": not cased})
        )


def tiny_config(vocabulary: int, layers: int = 3, positions: int = 100) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=positions,
        initializer_range=0.3,
    )


# Others saturate on weights as large as ours.
needs_vnni = pytest.mark.skipif(not has_vnni(), reason="needs a processor with VNNI")


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_vocabulary(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    return load_tokenizer(folder)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    """Random weights and gates for Chemical and Disease."""
    torch.manual_seed(11)
    encoder = Encoder(BertForTokenClassification(tiny_config(len(tokenizer))))
    model = GatedModel(encoder, LabelSet(("Chemical", "Disease")), gates=True)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    for head, bias in zip(model.heads.values(), (2.0, 2.0, 1.0), strict=True):
        head.bias.data[0] = bias  # most words are outside, as in real text
    folder = tmp_path_factory.mktemp("model")
    save_weights(folder, model, tokenizer)
    return folder


@pytest.fixture(scope="session")
def weights(model_folder: Path) -> Weights:
    return load_weights(model_folder)


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> Engine:
    return load_engine(model_folder, "float32")


@pytest.fixture(scope="session")
def shipped() -> Engine:
    return load_engine()


@pytest.fixture(scope="session")
def plain_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    """A plain Hugging Face token-classification checkpoint: no gates, labels in another order."""
    torch.manual_seed(3)
    config = tiny_config(len(tokenizer))
    names = ["B-Disease", "I-Disease", "O", "B-Chemical", "I-Chemical"]
    config.initializer_range = 0.5  # so that labels vary
    config.id2label = dict(enumerate(names))
    config.label2id = {name: index for index, name in enumerate(names)}
    folder = tmp_path_factory.mktemp("plain")
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def cautious_folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """Gates and operating points, of which ``balanced`` was not reached."""
    folder = Path(shutil.copytree(model_folder, tmp_path_factory.mktemp("cautious") / "model"))
    stored = Strategy((1, 2), EntropyController((0.3, 0.5), neighbours=0))
    store(folder, {"entropy": {point: stored.to_json() for point in ("careful", "fast")}})
    return folder


@pytest.fixture(params=["plain_folder", "cautious_folder"])
def made_folder(request: pytest.FixtureRequest) -> Path:
    """A folder of a model that has no point ``balanced``."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.fixture(scope="session")
def plain_engine(plain_folder: Path) -> Engine:
    return load_engine(plain_folder)


def cascade(threshold: float, weight: float = 0.0, small: Strategy = Strategy()) -> Cascade:  # noqa: B008
    return Cascade(small=small, threshold=threshold, weight=weight)


@pytest.fixture(scope="session")
def cascade_folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path, plain_folder: Path) -> Path:
    """The plain checkpoint as the large model, whose labels are in another order than the small one's."""
    folder = Path(shutil.copytree(plain_folder, tmp_path_factory.mktemp("cascade") / "model"))
    shutil.copytree(model_folder, folder / SMALL)
    points = {"careful": cascade(1.0), "balanced": cascade(5.0, 0.25)}
    (folder / CASCADES).write_text(json.dumps({name: point.to_json() for name, point in points.items()}))
    return folder


@pytest.fixture(scope="session")
def both(cascade_folder: Path) -> Engine:
    """The two models of the cascade."""
    return load_engine(cascade_folder)


@torch.no_grad()
def plain_probabilities(engine: Engine, texts: Sequence[str]) -> list[np.ndarray]:
    """What the plain Hugging Face model says of every word of each text, ``(words, labels)``: rule 1's reference."""
    model = load_huggingface(engine.folder.path)
    probabilities = []
    for windows in engine.pieces.of_texts(texts)[1]:
        parts = [np.zeros((0, len(engine.labels)), dtype=np.float32)]
        for window in windows:
            logits = model(input_ids=torch.from_numpy(window.input_ids)[None]).logits[0, window.first_rows]
            words = logits[:, list(engine.folder.label_order)].softmax(-1).numpy()
            parts.append(words[window.labelled])
        probabilities.append(np.concatenate(parts))
    return probabilities


def pieces_of(tokenizer: PreTrainedTokenizerFast, max_rows: int) -> WordPieces:
    """Cuts words as a tokenizer of transformers does."""
    tokens = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.unk_token_id
    return WordPieces(tokenizer.backend_tokenizer.to_str(), tokens, max_rows)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One for all tests: Playwright cannot be started twice at a time."""
    pytest.importorskip("playwright")
    executable = browser_path()
    if executable is None:
        pytest.skip("needs Chromium on the path or in $CHROMIUM")
    with chromium(executable) as started:
        yield started


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """The test runs with one thread a call and again with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def imported() -> None:
    """What is imported is never garbage: to look through it takes a fifth of a second before every pass."""
    gc.freeze()


@contextmanager
def memory_below(size: int) -> Iterator[None]:
    """Checks that Python never holds more new bytes than this."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def flip_last_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def scaled(folder: Path, name: str, factor: float) -> None:
    """Multiplies all weights in a file of a folder."""
    weights = {key: factor * value for key, value in load_file(folder / name).items()}
    save_file(weights, folder / name, metadata={"format": "pt"})


def other_tokenizer(folder: Path) -> None:
    """Changes an entry of the vocabulary."""
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"fam"', '"maf"'))


def configure(folder: Path, **changes: object) -> None:
    """Changes entries of a folder's ``config.json``."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of every file in a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
