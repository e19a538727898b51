"""Baselines: other ways to run the same weights, each at its best settings, on our words and with our decoding.

``hf-pipeline`` is the ``pipeline`` of transformers, ``onnx`` ONNX Runtime in float32, ``onnx-int8`` with dynamic
quantisation. All get the same windows as our own engine (so that nothing is truncated), sorted by length, and give
word probabilities that `LabelSet.decode` turns into entities. How many windows run at a time is found by trying, see
`eval.measure.tuning`. They need ``requirements-eval.txt``.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from engine.checkpoint import label_names, load_huggingface
from engine.errors import InputError
from engine.inspection.trace import Latency
from engine.model.chunks import Slot
from engine.model.huggingface import pad
from engine.model.packing import RaggedBatch
from engine.tagger import Engine
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces, load_tokenizer
from engine.text.words import split_words

NAMES = ("hf-pipeline", "onnx", "onnx-int8")


@dataclass(frozen=True)
class Stretch:
    """A window and the words of its text."""

    window: Window
    words: list[str]


# From stretches in ascending length, and how much may run at a time (one of ``Baseline.limits``), to the probabilities
# (words, labels) of all their words and the encoder's seconds.
Classify = Callable[[Sequence[Stretch], int], tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Baseline:
    """Another way to run the engine's weights. ``settings`` are those that the report states.

    ``limits``: how much may run at a time, in ``unit``, ascending; the first one is a window. ``chosen``: by texts a
    call.
    """

    name: str
    settings: Mapping[str, str]
    classify: Classify
    pieces: WordPieces
    labels: LabelSet
    unit: str
    limits: tuple[int, ...]
    chosen: Mapping[int, int] = field(default_factory=dict)

    def at(self, chosen: Mapping[int, int]) -> Baseline:
        """The same with limits by texts a call; a call of fewer texts has the limit of the next larger number."""
        amounts = [
            f"{'one window' if limit == 1 else f'{limit} {self.unit}'} at batch size {size}"
            for size, limit in chosen.items()
        ]
        tried = f"of one, {', '.join(map(str, self.limits[1:]))} {self.unit} the fastest"
        return replace(
            self, chosen=chosen, settings={**self.settings, "at a time": f"{' and '.join(amounts)} ({tried})"}
        )

    def tag(self, texts: Sequence[str]) -> tuple[list[tuple[Entity, ...]], Latency]:
        """Entities of each text, and how long the call and the encoder took."""
        begin = time.perf_counter()
        spans = [split_words(text) for text in texts]
        words = [[text[start:end] for start, end in places] for text, places in zip(texts, spans, strict=True)]
        windows = [(text, window) for text, of in enumerate(words) for window in self.pieces.windows(of)]
        windows.sort(key=lambda item: len(item[1].input_ids))
        probabilities = [np.zeros((len(of), len(self.labels)), dtype=np.float32) for of in words]
        encoder_s = 0.0
        if windows:
            stretches = [Stretch(w, words[text][w.first : w.first + w.words]) for text, w in windows]
            limits = (limit for size, limit in sorted(self.chosen.items()) if size >= len(texts))
            found, encoder_s = self.classify(stretches, next(limits, self.limits[0]))
            first = 0
            for index, (text, w) in enumerate(windows):
                probabilities[text][w.own : w.own_end] = found[Slot(text, w, index, first).own]
                first += w.words
        entities = [self.labels.decode(*one) for one in zip(texts, spans, probabilities, strict=True)]
        return entities, Latency((time.perf_counter() - begin) * 1e3, encoder_s * 1e3, len(texts))


def load_baselines(engine: Engine, names: Sequence[str]) -> list[Baseline]:
    """Baselines with the engine's weights, device and dtype (ONNX: on the CPU, in the dtype of its name).

    Raises:
        InputError: unknown name, or a package of ``requirements-eval.txt`` is missing.
    """
    if unknown := [name for name in names if name not in NAMES]:
        raise InputError(f"expected baselines out of {list(NAMES)}, got {unknown}; choose some of them")
    baselines = []
    with TemporaryDirectory() as folder:
        for name in names:
            if name == "hf-pipeline":
                (classify, settings), unit, limits = _pipeline(engine), "windows", PIPELINE_WINDOWS
            else:
                (classify, settings), unit, limits = _onnx(engine, name, Path(folder)), "padded rows", ONNX_ROWS
            baselines.append(Baseline(name, settings, classify, engine.pieces, engine.labels, unit, limits))
    return baselines


PIPELINE_WINDOWS = (1, 4, 16)
ONNX_ROWS = (1, 512, 2048)


def _pipeline(engine: Engine) -> tuple[Classify, dict[str, str]]:
    """The pipeline gets each window as a list of words; it gives the labels of all pieces but outside ones.

    Its own aggregation would be slower and has other rules; without it, the label of a word's first piece is ours.
    """
    from transformers import pipeline

    tokenizer: Any = load_tokenizer(engine.source)
    tokenizer.model_max_length = engine.pieces.capacity + 2
    model: Any = load_huggingface(engine.source)
    tagger: Any = pipeline(
        "token-classification",
        model=model.to(engine.precision.torch_dtype),
        tokenizer=tokenizer,
        device=engine.device,
        aggregation_strategy="none",
    )
    forward = _Stopwatch(tagger.model.forward, engine.device)
    tagger.model.forward = forward
    index = {label: number for number, label in enumerate(engine.labels.names)}

    def classify(stretches: Sequence[Stretch], limit: int) -> tuple[np.ndarray, float]:
        forward.seconds = 0.0
        # Lone surrogates cannot be encoded; a question mark has the same length.
        inputs = [[word.encode("utf-8", "replace").decode() for word in stretch.words] for stretch in stretches]
        outputs = tagger(inputs, is_split_into_words=True, batch_size=limit)
        probabilities = []
        for words, pieces in zip(inputs, outputs, strict=True):
            starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].tolist()
            word_at = {start: word for word, start in enumerate(starts)}
            found = np.zeros((len(words), len(index)), dtype=np.float32)
            found[:, 0] = np.finfo(np.float32).tiny  # outside, unless the pipeline says otherwise
            for piece in pieces:
                if (word := word_at.get(piece["start"])) is not None:
                    found[word, index[piece["entity"]]] = piece["score"]
            probabilities.append(found)
        return np.concatenate(probabilities), forward.seconds

    return classify, {
        "input": "lists of words, a window each, sorted by length",
        "aggregation_strategy": "none; a word has the label of its first piece",
        "dtype": engine.dtype,
        "threads": str(torch.get_num_threads()),
    }


class _Stopwatch:
    """A function that adds up the time spent in it."""

    def __init__(self, function: Callable[..., Any], device: torch.device) -> None:
        self.function = function
        self.device = device
        self.seconds = 0.0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        result = self.function(*arguments, **named)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - begin
        return result


def _onnx(engine: Engine, name: str, folder: Path) -> tuple[Classify, dict[str, str]]:
    """ONNX Runtime on sub-batches of windows of like length, padded."""
    runtime = _package("onnxruntime", name)
    file = folder / "float32.onnx"
    model = load_huggingface(engine.source)
    if not file.is_file():
        _export(model, file, name)
    if name == "onnx-int8":
        quantised = folder / "int8.onnx"
        # Per channel: with one scale a matrix, twice as many labels change. Fused nodes do not tell their type.
        float32 = {"DefaultTensorType": _package("onnx", name).TensorProto.FLOAT}
        quantize = _package("onnxruntime.quantization", name).quantize_dynamic
        with _quiet():
            quantize(file, quantised, per_channel=True, extra_options=float32)
        file = quantised
    threads = torch.get_num_threads()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Threads that spin after a call slow whatever runs next two- to threefold.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = label_names(model)
    order = [names.index(label) for label in engine.labels.names]
    pad_id = model.config.pad_token_id or 0

    def classify(stretches: Sequence[Stretch], limit: int) -> tuple[np.ndarray, float]:
        encoder_s, logits = 0.0, []
        for chunk in _sub_batches([stretch.window for stretch in stretches], limit):
            batch = RaggedBatch.from_windows(chunk)
            ids, mask, first = pad(batch, max(batch.lengths), pad_id)
            begin = time.perf_counter()
            (found,) = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})
            encoder_s += time.perf_counter() - begin
            logits.append(found[first])
        return torch.from_numpy(np.concatenate(logits)[:, order]).softmax(-1).numpy(), encoder_s

    return classify, {
        "input": "padded windows sorted by length",
        "dtype": "int8 weights per channel, activations dynamic" if name == "onnx-int8" else "float32",
        "threads": f"{threads} intra-op, 1 inter-op, no spinning",
        "graph": "attention, normalisation and GELU fused",
        "onnxruntime": runtime.__version__,
    }


def _sub_batches(windows: Sequence[Window], limit: int) -> Iterator[list[Window]]:
    """Windows of ascending length, as many at a time as fit padded into ``limit`` rows, but one at least."""
    chunk: list[Window] = []
    for window in windows:
        if chunk and (len(chunk) + 1) * len(window.input_ids) > limit:
            yield chunk
            chunk = []
        chunk.append(window)
    yield chunk


class _Logits(torch.nn.Module):
    """A token-classification model whose output is the logits alone."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits ``(windows, rows, labels)``."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def _export(model: PreTrainedModel, file: Path, name: str) -> None:
    """Writes the model as ONNX, attention and normalisation fused.

    The older exporter, on plain attention: what the newer one writes is not fused, and up to a third slower.
    """
    _package("onnx", name)
    optimizer = _package("onnxruntime.transformers.optimizer", name)
    model.set_attn_implementation("eager")
    example = torch.ones(2, 8, dtype=torch.int64)
    free = {0: "windows", 1: "rows"}
    config: Any = model.config
    with _quiet():
        torch.onnx.export(
            _Logits(model).eval(),
            (example, example),
            str(file),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes=dict.fromkeys(("input_ids", "attention_mask", "logits"), free),
            opset_version=17,
            dynamo=False,
        )
    heads, width = config.num_attention_heads, config.hidden_size
    optimizer.optimize_model(str(file), "bert", heads, width, opt_level=0).save_model_to_file(str(file))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences advice of the ONNX packages on what was chosen on purpose."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _package(package: str, baseline: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise InputError(
            f"expected the package {package} for baseline {baseline}, got none; pip install -r requirements-eval.txt"
        ) from error
