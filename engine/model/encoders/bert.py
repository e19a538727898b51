"""BERT (Devlin et al. 2019) layer by layer on packed rows, equal to Hugging Face's ``BertModel`` without its pooler."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig

from engine.errors import InputError
from engine.model.linear import Linear, rounded
from engine.model.packing import RaggedBatch


class BertEncoder(nn.Module):
    """Embeddings and layers; layers are numbered from 1.

    Query, key and value weights are fused into one multiply. Attention runs one window at a time on the packed rows:
    on CPUs that is up to 2.5 times as fast as padding windows to one length, since nothing is masked or copied.

    Raises:
        InputError: if the configuration asks for relative positions or a decoder.
    """

    architecture = "BertForTokenClassification"

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        if getattr(config, "position_embedding_type", None) not in (None, "absolute") or config.is_decoder:
            raise InputError(
                "expected a BERT encoder with absolute positions, got another kind; choose another checkpoint"
            )
        self.config = config
        self.num_layers: int = config.num_hidden_layers
        self.hidden_size: int = config.hidden_size
        self.intermediate_size: int = config.intermediate_size
        self.num_heads: int = config.num_attention_heads
        self.max_rows: int = config.max_position_embeddings
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.embedding_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(BertLayer(config) for _ in range(config.num_hidden_layers))

    def embed(self, batch: RaggedBatch) -> Tensor:
        """Hidden states ``(rows, hidden)`` before layer 1."""
        device = self.embedding_norm.weight.device
        input_ids, position = (torch.from_numpy(index).to(device) for index in (batch.input_ids, batch.position))
        embeddings = self.word_embeddings(input_ids) + self.position_embeddings(position)
        hidden = self.embedding_norm(embeddings + self.token_type_embeddings.weight[0])
        return F.dropout(hidden, self.config.hidden_dropout_prob) if self.training else hidden

    def layer(self, number: int, hidden: Tensor, batch: RaggedBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Runs layer ``number``, 1 to ``num_layers``; frozen rows stay as they are.

        Returns:
            Hidden states ``(rows, hidden)`` after it, its queries ``(active rows, hidden)`` and keys
            ``(rows, hidden)``, of which attention statistics are made.
        """
        return self.layers[number - 1](hidden, batch)

    def set_dropout(self, probability: float) -> None:
        """Sets dropout, in training, on embeddings and on the outputs of attention and feed-forward."""
        self.config.hidden_dropout_prob = probability
        for layer in self.layers:
            assert isinstance(layer, BertLayer)
            layer.dropout = probability

    def load_huggingface(self, state: dict[str, Tensor]) -> None:
        """Takes over the weights of a ``BertModel``; a pooler is passed over."""
        own = {}
        for name, theirs in _embedding_names().items():
            own[name] = state[theirs]
        for index in range(self.num_layers):
            prefix = f"encoder.layer.{index}."
            for kind in ("weight", "bias"):
                fused = [state[f"{prefix}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
                own[f"layers.{index}.qkv.{kind}"] = torch.cat(fused)
                for name, theirs in _LAYER_NAMES.items():
                    own[f"layers.{index}.{name}.{kind}"] = state[f"{prefix}{theirs}.{kind}"]
        self.load_state_dict(own)

    def huggingface_state(self) -> dict[str, Tensor]:
        """The weights under the names of a ``BertModel``, for `load_huggingface` and Hugging Face alike."""
        own = self.state_dict()
        state = {theirs: own[name] for name, theirs in _embedding_names().items()}
        for index in range(self.num_layers):
            prefix = f"encoder.layer.{index}."
            for kind in ("weight", "bias"):
                parts = own[f"layers.{index}.qkv.{kind}"].chunk(3)
                for part, value in zip(("query", "key", "value"), parts, strict=True):
                    state[f"{prefix}attention.self.{part}.{kind}"] = value
                for name, theirs in _LAYER_NAMES.items():
                    state[f"{prefix}{theirs}.{kind}"] = own[f"layers.{index}.{name}.{kind}"]
        return state


class BertLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual connection and LayerNorm behind it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.dropout = config.hidden_dropout_prob
        self.qkv = Linear(size, 3 * size)
        self.attention_output = Linear(size, size)
        self.attention_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.intermediate = Linear(size, config.intermediate_size, config.hidden_act)
        self.output = Linear(config.intermediate_size, size)
        self.output_norm = nn.LayerNorm(size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, batch: RaggedBatch) -> tuple[Tensor, Tensor, Tensor]:
        """``(rows, hidden)`` → ``(rows, hidden)``, queries ``(active rows, hidden)`` and keys ``(rows, hidden)``."""
        size, whole = hidden.shape[1], rounded(hidden)
        if batch.active is None:
            query, key, value = self.qkv(whole).chunk(3, dim=1)
            key, value = key[: len(hidden)], value[: len(hidden)]
            updated = self._update(whole, self._attend(query, key, value, batch))
            return updated[: len(hidden)], query[: len(hidden)], key
        active = torch.from_numpy(batch.active).to(hidden.device)
        rows = rounded(hidden.index_select(0, active))
        query = self.qkv(rows, 0, size)
        key, value = (part[: len(hidden)] for part in self.qkv(whole, size).chunk(2, dim=1))
        updated = self._update(rows, self._attend(query, key, value, batch))
        return hidden.index_copy(0, active, updated[: len(active)]), query[: len(active)], key

    def _update(self, hidden: Tensor, attended: Tensor) -> Tensor:
        hidden = self.attention_norm(hidden + self._dropped(self.attention_output(attended)))
        return self.output_norm(hidden + self._dropped(self.output(self.intermediate(hidden))))

    def _dropped(self, output: Tensor) -> Tensor:
        return F.dropout(output, self.dropout) if self.training and self.dropout else output

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, batch: RaggedBatch) -> Tensor:
        """Attention of each query ``(rounded rows, hidden)``; those that rounding added look at the last window."""
        computed = [rows for rows in batch.computed if rows]
        visible = [rows for rows in batch.lengths if rows]
        computed[-1] += len(query) - sum(computed)

        def by_window(part: Tensor, lengths: list[int]) -> tuple[Tensor, ...]:
            heads = part.view(len(part), self.num_heads, -1).transpose(0, 1).unsqueeze(0)  # (1, heads, rows, head_size)
            return heads.split(lengths, dim=2)

        parts = (by_window(query, computed), by_window(key, visible), by_window(value, visible))
        outputs = [
            F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, query.shape[1])
            for q, k, v in zip(*parts, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _embedding_names() -> dict[str, str]:
    names = {
        f"{part}_embeddings.weight": f"embeddings.{part}_embeddings.weight"
        for part in ("word", "position", "token_type")
    }
    return names | {f"embedding_norm.{kind}": f"embeddings.LayerNorm.{kind}" for kind in ("weight", "bias")}


_LAYER_NAMES = {
    "attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output_norm": "output.LayerNorm",
}
