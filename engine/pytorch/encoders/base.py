"""The base of all encoders: their interface, and the mapping between our weight names and Hugging Face's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import InputError
from engine.pytorch.layers import Layer, PostNormLayer
from engine.pytorch.packing import RaggedBatch
from engine.text.slots import position_ids

Names = Mapping[str, str | Sequence[str]]
Settings = Mapping[str, tuple[tuple[object, ...], str]]


def require(config: Any, settings: Settings) -> None:
    """Raises an `InputError` unless each of these settings of a configuration has a supported value."""
    for name, (supported, reason) in settings.items():
        if (value := getattr(config, name, None)) not in supported:
            raise InputError(
                f"expected a {config.model_type!r} encoder with {name} = {supported[0]!r}, got {value!r}: {reason}; "
                "choose another checkpoint"
            )


class Encoder(nn.Module):
    """Embeddings and layers of one family; layers are numbered from 1.

    A family declares ``architecture``, the Hugging Face class of its weights, and how that class names them:
    ``prefix`` of the base model, ``names`` of modules outside layers (under ``prefix`` unless they begin with a dot),
    ``layer_path``, and ``layer_names`` within each layer (several names for parts that are fused here). ``settings``
    maps configuration settings to their supported values and the reason why others are not supported.
    """

    architecture: ClassVar[str]
    prefix: ClassVar[str]
    names: ClassVar[Names]
    layer_path: ClassVar[str]
    layer_names: ClassVar[Names]
    settings: ClassVar[Settings] = {}

    def __init__(self, config: Any, max_rows: int, dropout: float, intermediate: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.num_layers: int = config.num_hidden_layers
        self.num_heads: int = config.num_attention_heads
        self.hidden_size: int = config.hidden_size
        self.intermediate_size: int = intermediate or config.intermediate_size
        self.max_rows = max_rows
        self.dropout = dropout
        self.layers: nn.ModuleList
        self.first_position = 0  # in the position table, of a window's first row

    @classmethod
    def check(cls, config: Any) -> None:
        """Raises an `InputError` if a setting of the configuration is not supported."""
        require(config, cls.settings)

    @classmethod
    def shorten(cls, config: Any, layers: int) -> None:
        """Cuts a configuration to its first layers."""
        config.num_hidden_layers = layers

    def embed(self, batch: RaggedBatch) -> Tensor:
        """Hidden states ``(rows, hidden)`` before layer 1."""
        device = next(self.parameters()).device
        positions = position_ids(batch.input_ids, batch.position, batch.lengths, self.first_position)
        return self.embedded(*(torch.from_numpy(one).to(device) for one in (batch.input_ids, positions)))

    def embedded(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Embeds word pieces, given their ids and their indices in the position table, int ``(…,)`` each."""
        raise NotImplementedError

    def layer(self, number: int, hidden: Tensor, batch: RaggedBatch) -> Tensor:
        """Runs layer ``number``, 1 to ``num_layers``, on ``(rows, hidden)``."""
        kind = self, self.kind(number), torch.is_inference_mode_enabled()  # its tensors cannot be used with gradients
        if kind not in batch.cached:
            position = torch.from_numpy(batch.position)[None].int().to(hidden.device)
            windows = position.split_with_sizes([length for length in batch.lengths if length], dim=1)
            batch.cached[kind] = [self.placed(number, window) for window in windows]
        placed = batch.cached[kind]

        def place(window: int, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
            return self.place(number, query, key, *placed[window])

        return self.layers[number - 1](hidden, batch, place if any(placed) else None)

    def kind(self, number: int) -> str:
        """The kind of a layer; positions enter attention in the same way in all layers of a kind."""
        return ""

    def placed(self, number: int, position: Tensor) -> tuple[Tensor, ...]:
        """What `place` needs of a window's rows at these positions, int ``(1, rows)``; nothing if it does nothing.

        Both consist of operations that OpenVINO converts.
        """
        return ()

    def place(self, number: int, query: Tensor, key: Tensor, *placed: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Lets positions enter attention in layer ``number``.

        Returns:
            Queries and keys, given as ``(1, heads, rows, head size)``, in the same shape, and what is added to their
            scores, ``(1, heads or 1, rows, rows)`` or ``None``. Scores are products ÷ √(head size).
        """
        return query, key, None

    def features(self, number: int, hidden: Tensor) -> Tensor:
        """Input ``(n, hidden)`` of the label head after layer ``number``, from hidden states ``(n, hidden)``."""
        return hidden

    def row_macs(self, number: int) -> int:
        """MACs of a layer for one row, besides attention between rows."""
        return 2 * self.hidden_size * (2 * self.hidden_size + self.intermediate_size)

    def features_macs(self, number: int) -> int:
        """MACs of `features` for one row."""
        return 0

    def set_dropout(self, probability: float) -> None:
        """Sets the training dropout of embeddings and of the outputs of attention and feed-forward."""
        self.dropout = probability
        for layer in self.layers:
            assert isinstance(layer, Layer)
            layer.dropout = probability

    def load_huggingface(self, state: Mapping[str, Tensor]) -> None:
        """Loads the weights of a token-classification model or a base model; ignores other weights.

        Weights that a base model lacks (ModernBERT's prediction head) then stay unchanged.
        """
        prefix = f"{self.prefix}."
        if not any(name.startswith(prefix) for name in state):  # a base model
            state = {prefix + name: value for name, value in state.items()}
        own = self.state_dict()
        for name in own:
            theirs = self.huggingface_names(name)
            if theirs[0].startswith(prefix) or theirs[0] in state:
                own[name] = torch.cat([state[part] for part in theirs])
        self.load_state_dict(own)

    def huggingface_state(self) -> dict[str, Tensor]:
        """The weights under the names of the token-classification model, without the classifier."""
        state: dict[str, Tensor] = {}
        for name, value in self.state_dict().items():
            theirs = self.huggingface_names(name)
            state |= zip(theirs, value.chunk(len(theirs)), strict=True)
        return state

    def huggingface_names(self, name: str) -> list[str]:
        """Hugging Face's names for the parts of one of our weights, in order."""
        module, _, kind = name.rpartition(".")
        names, path = self.names, f"{self.prefix}."
        if module.startswith("layers."):
            _, index, module = module.split(".", 2)
            names, path = self.layer_names, f"{path}{self.layer_path}.{index}."
        theirs = names[module]
        parts = (theirs,) if isinstance(theirs, str) else theirs
        return [part[1:] + f".{kind}" if part.startswith(".") else f"{path}{part}.{kind}" for part in parts]


def bert_settings(config: Any) -> dict[str, Any]:
    """Reads dropout, norms and activation from a configuration that names them as BERT's does."""
    return {
        "dropout": config.hidden_dropout_prob,
        "norm_eps": config.layer_norm_eps,
        "activation": config.hidden_act,
    }


class PostNormEncoder(Encoder):
    """BERT and similar encoders: summed embeddings of word pieces, positions and token types, and post-norm layers.

    Args:
        config: Hugging Face configuration.
        dropout: probability, for embeddings and the outputs of attention and feed-forward.
        norm_eps: epsilon of all norms.
        activation: activation of the feed-forward part.
        intermediate: width of the feed-forward part; ``None`` for the configuration's ``intermediate_size``.
        positions: whether positions are embedded.
        first_position: position of a window's first row.
        token_types: size of the token-type table, of which only the first entry is used; 0 for none.
        embedding_size: width of embeddings that are projected to hidden states; ``None`` if both are equally wide.
    """

    def __init__(
        self,
        config: Any,
        *,
        dropout: float,
        norm_eps: float,
        activation: str,
        intermediate: int | None = None,
        positions: bool = True,
        first_position: int = 0,
        token_types: int = 0,
        embedding_size: int | None = None,
    ) -> None:
        super().__init__(config, config.max_position_embeddings - first_position, dropout, intermediate)
        hidden = self.hidden_size
        size = embedding_size or hidden
        self.first_position = first_position
        self.word_embeddings = nn.Embedding(config.vocab_size, size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, size) if positions else None
        self.token_type_embeddings = nn.Embedding(token_types, size) if token_types else None
        self.embedding_norm = nn.LayerNorm(size, eps=norm_eps)
        self.projection = nn.Linear(size, hidden) if size != hidden else None
        sizes = hidden, self.num_heads, self.intermediate_size
        self.layers = nn.ModuleList(
            PostNormLayer(*sizes, activation, norm_eps, dropout) for _ in range(self.num_layers)
        )

    def embedded(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Sums the embeddings of word pieces, positions and the token type."""
        hidden = self.word_embeddings(input_ids)
        if self.position_embeddings is not None:
            hidden = hidden + self.position_embeddings(position_ids)
        if self.token_type_embeddings is not None:
            hidden = hidden + self.token_type_embeddings.weight[0]
        hidden = self.embedding_norm(hidden)
        hidden = F.dropout(hidden, self.dropout) if self.training else hidden
        return hidden if self.projection is None else self.projection(hidden)
