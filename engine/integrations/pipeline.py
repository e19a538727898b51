"""``engine.pipeline``: a drop-in for ``transformers.pipeline("token-classification", …)``.

Hugging Face's own pipeline cuts texts into word pieces and aggregates their labels; in between, a strategy runs. Texts
beyond the encoder's limit are not truncated but run in overlapping windows.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, TokenClassificationPipeline
from transformers.pipelines.token_classification import AggregationStrategy

from engine.cascade import Cascade, columns_of, select
from engine.errors import InputError
from engine.pruning.record import distributions
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, load_engine
from engine.text.words import split_words, words_of

TASKS = ("token-classification", "ner")
OPTIONS = {
    *inspect.signature(TokenClassificationPipeline._sanitize_parameters).parameters,
    *("batch_size", "num_workers", "binary_output"),
} - {"self"}
LEAST = -100.0  # logit of a label with probability 0
NO_LIMIT = 10**9  # maximum word pieces of a text


def pipeline(
    task: str = TASKS[0],
    model: str | Path | Engine | None = None,
    *,
    strategy: str | Strategy | None = None,
    dtype: str | None = None,
    device: str | int | torch.device | None = None,
    labels: str | Path | Sequence[str] | None = None,
    **options: Any,
) -> PruningPipeline:
    """Returns a tagger with the interface of ``transformers.pipeline("token-classification", …)``.

    Args:
        task: ``token-classification``, or ``ner``, which is the same.
        model: a folder, a hub id, or an engine, which has its own ``dtype``, ``device`` and ``labels``; ``None`` loads
            the shipped weights.
        strategy: see `Engine.strategy`.
        dtype, labels: see `load_engine` (default: ``auto``, and the model's own labels); not with an engine.
        device: see `load_engine`, or the number of a GPU, −1 for the CPU (the default); not with an engine.
        **options: options of Hugging Face's pipeline: ``aggregation_strategy``, ``batch_size``, ``stride``, …

    Raises:
        InputError: if the task or an option is unknown, the model or strategy cannot run, or ``dtype``, ``device`` or
            ``labels`` is given with an engine.
    """
    if task not in TASKS:
        raise InputError(f"expected the task {' or '.join(TASKS)}, got {task!r}; use transformers.pipeline for others")
    options = {name: value for name, value in options.items() if value is not None}
    if unknown := options.keys() - OPTIONS:
        instead = "write dtype" if "torch_dtype" in unknown else "leave it out: the engine loads model and tokenizer"
        raise InputError(f"expected some of the options {sorted(OPTIONS)}, got {sorted(unknown)}; {instead}")
    aggregation = options.get("aggregation_strategy")
    if isinstance(aggregation, str) and aggregation.upper() not in AggregationStrategy.__members__:
        names = ", ".join(AggregationStrategy.__members__).lower()
        raise InputError(f"expected aggregation_strategy as one of {names}, got {aggregation!r}; choose another")
    if isinstance(model, Engine):
        for option, given in (("dtype", dtype), ("device", device), ("labels", labels)):
            if given is not None:
                raise InputError(f"expected no {option} beside an engine, which brings its own, got one; leave it out")
        engine = model
    else:
        if device is None or isinstance(device, int):
            device = "cpu" if device is None or device < 0 else f"cuda:{device}"
        engine = load_engine(model, "auto" if dtype is None else dtype, str(device), labels)
    chosen = engine.strategy(strategy)
    tokenizer = copy.deepcopy(engine.tokenizer)
    return PruningPipeline(
        model=PieceModel(engine, chosen), tokenizer=tokenizer, task=TASKS[0], device=engine.device, **options
    )


class PruningPipeline(TokenClassificationPipeline):
    """Hugging Face's pipeline with a `PieceModel`."""

    def check_model_type(self, supported_models: Any) -> None:
        """Does nothing, because loading has checked the type."""

    def preprocess(  # type: ignore[override]  # like the base class, which differs from its own base
        self, sentence: Any, offset_mapping: Any = None, **parameters: Any
    ) -> Iterator[dict[str, Any]]:
        """Yields a text's word pieces and the word of each, int64 ``(1, pieces)``, from 1; 0 for CLS and SEP.

        For a cascade, ``small`` is what the small model says of each piece's word, float32 ``(1, pieces, labels)``.
        """
        parameters.setdefault("tokenizer_params", {"max_length": NO_LIMIT})
        small: np.ndarray | None = None
        for inputs in super().preprocess(sentence, offset_mapping, **parameters):
            if parameters["is_split_into_words"]:
                word = np.array([-1 if word is None else word for word in inputs["word_ids"]])
            else:  # the last word that begins before the piece ends; −1 for spaces before the first word
                ends = np.asarray(inputs["offset_mapping"]).reshape(-1, 2)[:, 1]
                word = np.searchsorted([start for start, _ in split_words(sentence)], ends) - 1
            special = inputs["special_tokens_mask"].numpy().astype(bool)
            word = np.maximum.accumulate(word)
            found = {"words": torch.from_numpy(np.where(special, 0, word + 2))}
            model = self.model
            if isinstance(model, PieceModel) and isinstance(model.strategy, Cascade):
                if small is None:
                    words = sentence if parameters["is_split_into_words"] else words_of(sentence)
                    small = model.tag_small(model.strategy, words)
                found["small"] = torch.from_numpy(small[word.clip(min=0)])[None]
            yield inputs | found

    def __repr__(self) -> str:
        engine, strategy = self.model.engine, self.model.strategy
        assert isinstance(engine, Engine)
        assert isinstance(strategy, Strategy)
        return f"{type(self).__name__}({engine.source!r}, strategy={strategy.name!r}, dtype={engine.dtype!r})"


class PieceModel(nn.Module):
    """The model for Hugging Face's pipeline: runs an engine and returns the logits of every word piece."""

    def __init__(self, engine: Engine, strategy: Strategy) -> None:
        super().__init__()
        self.engine, self.strategy = engine, strategy
        self.device, self.dtype = torch.device(engine.device), torch.float32  # of the logits
        self.config = AutoConfig.from_pretrained(engine.folder)
        self.config.id2label = dict(enumerate(engine.labels.names))
        self.config.label2id = {name: index for index, name in enumerate(engine.labels.names)}

    def tag_small(self, strategy: Cascade, words: Sequence[str]) -> np.ndarray:
        """Label distributions of the words of one text by the small model of a cascade; a row of 0 without words."""
        small = self.engine.small
        assert small is not None, "the engine has checked the strategy"
        (runs,) = small.run([small.pieces.windows(words)], strategy.small)
        found = distributions(runs, len(small.labels))[:, columns_of(small.labels, self.engine.labels)]
        return found if len(found) else np.zeros((1, len(small.labels)), dtype=np.float32)

    @torch.inference_mode()
    def forward(self, input_ids: Tensor, words: Tensor, small: Tensor | None = None, **_: Tensor) -> dict[str, Tensor]:
        """Returns logits ``(texts, pieces, labels)`` of ``input_ids`` ``(texts, pieces)``; 0 where ``words`` is 0.

        Each piece gets the logarithms of its word's label probabilities.
        """
        logits = torch.zeros(*input_ids.shape, len(self.engine.labels))
        texts = [Pieces(*one, self.engine.pieces.capacity) for one in zip(input_ids.cpu(), words.cpu(), strict=True)]
        windows = [self.engine.pieces.cut(text.ids, text.word) if len(text.ids) else [] for text in texts]
        strategy = self.strategy
        first, judged = [], []
        if isinstance(strategy, Cascade):
            assert small is not None, "preprocessing adds it for a cascade"
            for of_text, text, of_windows in zip(small.cpu().numpy(), texts, windows, strict=True):
                first.append(of_text[text.places[text.begins]])
                judged.append(strategy.judge(first[-1], of_windows))
            windows = [select(*of_text, read=True) for of_text in zip(windows, judged, strict=True)]
        found = [distributions(runs, logits.shape[-1]) for runs in self.engine.run(windows, strategy)]
        if isinstance(strategy, Cascade):
            found = [strategy.merge(*of_text) for of_text in zip(first, judged, found, strict=True)]
        for number, (text, of_words) in enumerate(zip(texts, found, strict=True)):
            logits[number, text.places] = torch.from_numpy(of_words[text.word]).log().clamp(min=LEAST)
        return {"logits": logits}


class Pieces:
    """The word pieces of a text without CLS, SEP and padding.

    ``places``: their original indices. ``ids``: their token ids. ``word``: the word of each, from 0; words with more
    than ``capacity`` pieces are split. All are int64 ``(pieces,)``. ``begins``: the first piece of each word.
    """

    def __init__(self, ids: Tensor, words: Tensor, capacity: int) -> None:
        self.places = np.flatnonzero(words.numpy())
        self.ids = ids.numpy()[self.places]
        given = words.numpy()[self.places]
        part = (np.arange(len(given)) - given.searchsorted(given)) // capacity
        begins = np.diff(given, prepend=-1).astype(bool) | np.diff(part, prepend=0).astype(bool)
        self.word, self.begins = begins.cumsum() - 1, np.flatnonzero(begins)
