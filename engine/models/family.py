"""What a model family is: its configuration, and the formulas of its embeddings and layers, each written once.

A formula computes with an `Operations`: `engine.pytorch.operations` evaluates it, `engine.graph.operations` records it
as ONNX. Nothing here imports either.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from engine.errors import InputError
from engine.pruning.cost import Sizes

Tensor = Any  # a `torch.Tensor` or an `engine.graph.operations.Node`
Shapes = dict[str, tuple[int, ...]]
Requirements = Mapping[str, tuple[object, ...]]  # setting → its supported values
# Activations by the names of Hugging Face's library.
ACTIVATIONS = (
    "gelu", "gelu_python", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "sigmoid", "silu", "swish", "tanh",
)  # fmt: skip
TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings", "distance_embeddings", "relative_bias")
FEWEST_ROWS = 3  # of a window: CLS, a piece and SEP
MOST_LAYERS, MOST_POSITIONS = 1_000, 1_000_000  # more would fill the memory before a tensor is found missing
MOST_EPSILON, MOST_THETA = 1e-3, 1e9  # beyond any that a model was trained with


class Operations(Protocol):
    """The operations of formulas, besides arithmetic. Hidden states are ``(…, rows, size)``, names the checkpoint's."""

    position: Tensor  # of each row in its window, int (rows,)
    _cache: dict[object, Any]

    def move(self, position: Tensor) -> None:
        """Goes on with other rows, which are at these positions."""
        self.position, self._cache = position, {}

    def cached(self, key: object, make: Callable[[], Any]) -> Any:
        """Returns ``make()``, cached under this key until the rows change."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def weight(self, name: str) -> Tensor:
        """The tensor of this name."""

    def embedding(self, name: str, ids: Tensor) -> Tensor:
        """Rows of the module's table."""

    def linear(self, values: Tensor, *modules: str, per_row: bool = False, exact: bool = False) -> Any:
        """Products with the modules' weights, plus their biases if they have any: a tuple of them if there are several.

        In 8 bits, the input has one scale, or with ``per_row`` one for each row; with ``exact`` it stays in float32.
        """

    def norm(self, values: Tensor, module: str, epsilon: float) -> Tensor:
        """LayerNorm over the last axis."""

    def activation(self, name: str, values: Tensor) -> Tensor:
        """One of `ACTIVATIONS`."""

    def dropout(self, values: Tensor) -> Tensor:
        """Dropout in training, nothing otherwise."""

    def attend(self, number: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention within each window in layer ``number``, see `Family.bias`; all of them ``(…, rows, size)``."""

    def heads(self, values: Tensor, heads: int) -> Tensor:
        """``(rows, size)`` of one window as ``(heads, rows, size ÷ heads)``."""

    def split(self, values: Tensor, parts: int) -> Any:
        """Equal parts along the last axis."""

    def rotated(self, values: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """The halves of each head, rotated against each other by each row's angles (Su et al. 2021).

        ``cosine`` and ``sine`` of the angles: ``(rows, size ÷ heads ÷ 2)``.
        """

    def unsqueeze(self, values: Tensor, axis: int) -> Tensor:
        """Inserts an axis of size 1."""

    def take(self, table: Tensor, index: Tensor, axis: int) -> Tensor:
        """Entries of a table along an axis, which the axes of ``index`` replace."""

    def gather(self, values: Tensor, index: Tensor) -> Tensor:
        """``values[h, i, index[i, j]]`` for values ``(heads, rows, n)`` and an index ``(rows, rows)``."""

    def product(self, left: Tensor, right: Tensor, *, transposed: bool = False) -> Tensor:
        """Matrix product, with the last two axes of ``right`` exchanged if ``transposed``."""

    def transpose(self, values: Tensor) -> Tensor:
        """The last two axes exchanged."""

    def constant(self, values: Any) -> Tensor:
        """A NumPy array."""

    def number(self, values: Tensor) -> Tensor:
        """Whole numbers or booleans as float32."""


class Family:
    """Embeddings and layers of one family; layers are numbered from 1.

    A family declares ``architecture``, the Hugging Face class of its weights; ``prefix``, what their names begin with;
    ``layer_path``, where layers stand; ``names``, the checkpoint's name of each module that a formula uses (under the
    prefix, or within a layer); ``keys``, the configuration's name of a setting where it is not BERT's; ``defaults`` of
    settings that a configuration may lack; ``requirements``, settings with their supported values; ``activations``,
    settings that name one; ``biases``, whether all products and norms have one (else those of the checkpoint have);
    and, by `outer_shapes` and `layer_shapes`, the shape of each module's weight.

    Args:
        config: the entries of ``config.json``.

    Raises:
        InputError: if a setting is missing or not supported.
    """

    architecture: ClassVar[str]
    prefix: ClassVar[str]
    layer_path: ClassVar[str] = "encoder.layer"
    names: ClassVar[Mapping[str, str]]
    keys: ClassVar[Mapping[str, str]] = {}
    defaults: ClassVar[Mapping[str, Any]] = {}
    requirements: ClassVar[Requirements] = {}
    activations: ClassVar[Sequence[str]] = ("hidden_act",)
    biases: ClassVar[bool] = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = {**self.defaults, **{name: value for name, value in config.items() if value is not None}}
        self.require(self.requirements)
        for name in self.activations:
            if (value := self.setting(name)) not in ACTIVATIONS:
                known = ", ".join(ACTIVATIONS)
                raise InputError(f"The activation {value!r} in config.json is not supported. Supported are {known}.")
        self.num_layers = self.whole("num_hidden_layers", most=MOST_LAYERS)
        self.num_heads = self.whole("num_attention_heads")
        self.hidden_size = self.whole("hidden_size")
        self.intermediate_size = self.whole("intermediate_size")
        self.vocab_size = self.whole("vocab_size")
        self.positions = self.whole("max_position_embeddings", FEWEST_ROWS + self.first_position, MOST_POSITIONS)
        self.max_rows = self.positions - self.first_position
        self.epsilon = self.positive("layer_norm_eps", MOST_EPSILON)
        if self.hidden_size % self.num_heads:
            raise InputError(
                f"{self.num_heads} attention heads do not divide the hidden size {self.hidden_size} in config.json."
            )
        self.head_size = self.hidden_size // self.num_heads
        self.score_scale = self.head_size**-0.5  # which products of queries and keys are multiplied by

    @property
    def settings(self) -> dict[str, Any]:
        """What formulas read of the configuration; the scale of scores follows from it."""
        read = {name: value for name, value in vars(self).items() if name not in ("config", "score_scale")}
        return read | {name: self.setting(name) for name in self.activations}

    @property
    def first_position(self) -> int:
        """The index of a window's first row in the position table."""
        return 0

    def setting(self, name: str) -> Any:
        """The value of a setting, by BERT's name for it; raises an `InputError` if the configuration lacks it."""
        name = self.keys.get(name, name)
        if name not in self.config:
            raise InputError(f"config.json has no {name}. Restore the file.")
        return self.config[name]

    def whole(self, name: str, least: int = 1, most: int = 2**31) -> int:
        """The value of a setting that must be a whole number in this range; raises an `InputError` if it is not."""
        value, name = self.setting(name), self.keys.get(name, name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InputError(f"{name} in config.json must be a whole number from {least} to {most:,}, not {value!r}.")
        return value

    def positive(self, name: str, most: float, within: Mapping[str, Any] | None = None) -> float:
        """The value of a setting, perhaps of a nested object; raises an `InputError` unless it lies in (0, most]."""
        value, name = self.setting(name) if within is None else within.get(name), self.keys.get(name, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= most:
            raise InputError(f"{name} in config.json must be a number above 0, at most {most:g}, not {value!r}.")
        return float(value)

    def require(self, requirements: Requirements) -> None:
        """Raises an `InputError` unless each of these settings has a supported value."""
        for name, supported in requirements.items():
            if (value := self.config.get(name)) not in supported:
                raise InputError(
                    f"{self.config.get('model_type')} with {name} = {value!r} is not supported, only {supported[0]!r}."
                )

    def name(self, part: str, layer: int = 0) -> str:
        """The checkpoint's name of a module, which stands in a layer or, if that is 0, outside."""
        path = f"{self.prefix}.{self.layer_path}.{layer - 1}." if layer else f"{self.prefix}."
        return path + self.names[part]

    def outer_shapes(self) -> Shapes:
        """Shape of the weight of each module outside layers, by its name in `names` or, outside the prefix, its own."""
        raise NotImplementedError

    def layer_shapes(self, number: int) -> Shapes:
        """Shape of the weight of each module of a layer, by its name in `names`."""
        hidden, inner = self.hidden_size, self.intermediate_size
        return {
            **dict.fromkeys(("query", "key", "value", "attention_output"), (hidden, hidden)),
            **dict.fromkeys(("attention_norm", "output_norm"), (hidden,)),
            "intermediate": (inner, hidden),
            "output": (hidden, inner),
        }

    def shapes(self, tensors: Container[str]) -> Shapes:
        """Shape of every tensor of the encoder that a pass reads from these, by its name in the checkpoint."""
        parts = [(0, part, shape) for part, shape in self.outer_shapes().items()]
        for number in range(1, self.num_layers + 1):
            parts += [(number, part, shape) for part, shape in self.layer_shapes(number).items()]
        shapes: Shapes = {}
        for number, part, shape in parts:
            module = self.name(part, number) if part in self.names else part
            shapes[f"{module}.weight"] = shape
            if part not in TABLES and (self.biases or f"{module}.bias" in tensors):
                shapes[f"{module}.bias"] = shape[:1]
        return shapes

    def unused_layers(self, tensors: Iterable[str]) -> list[int]:
        """The numbers of the layers that a checkpoint has beyond those of its configuration."""
        path = f"{self.prefix}.{self.layer_path}."
        numbers = {1 + int(name.removeprefix(path).partition(".")[0]) for name in tensors if name.startswith(path)}
        return sorted(number for number in numbers if number > self.num_layers)

    def embed(self, ops: Operations, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Hidden states before layer 1, given word pieces and their indices in the position table, ``(rows,)`` each."""
        raise NotImplementedError

    def layer(self, ops: Operations, number: int, hidden: Tensor) -> Tensor:
        """Hidden states after layer ``number``."""
        raise NotImplementedError

    def relation(self, ops: Operations, number: int, position: Tensor) -> Tensor | None:
        """Returns the argument of `bias` for positions ``(rows,)`` of a window; one for all layers of a `kind`."""
        return None

    def bias(self, ops: Operations, number: int, query: Tensor, key: Tensor, relation: Tensor) -> Tensor | None:
        """Returns the bias of the attention scores of a window, ``(heads or 1, rows, rows)``; ``None`` for none.

        ``query`` and ``key`` are ``(rows, hidden)``; scores are products × `score_scale`.
        """
        return None

    def kind(self, number: int) -> str:
        """The kind of a layer; positions enter attention in the same way in all layers of a kind."""
        return ""

    def features(self, ops: Operations, number: int, hidden: Tensor) -> Tensor:
        """Input of the label head after a layer, for hidden states ``(n, hidden)``."""
        return hidden

    def row_macs(self, number: int) -> int:
        """MACs of a layer for one row, besides attention between rows."""
        return 2 * self.hidden_size * (2 * self.hidden_size + self.intermediate_size)

    def features_macs(self, number: int) -> int:
        """MACs of `features` for one row."""
        return 0

    def sizes(self, labels: int) -> Sizes:
        """Returns the sizes that costs depend on, with heads for this number of labels."""
        layers = range(1, self.num_layers + 1)
        return Sizes(
            hidden=self.hidden_size,
            row_macs=tuple(map(self.row_macs, layers)),
            head_macs=tuple(self.hidden_size * labels + self.features_macs(number) for number in layers),
        )


class PostNormFamily(Family):
    """Summed embeddings of word pieces and, as far as it names them, positions and token types, and BERT's layers."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        has_types = "token_type_embeddings" in self.names
        self.token_types = self.whole("type_vocab_size", 0) if has_types else 0
        self.embedding_size = self.whole("embedding_size") if "projection" in self.names else self.hidden_size

    def outer_shapes(self) -> Shapes:
        """Tables of embeddings, their norm and, if they are narrower than hidden states, their projection."""
        rows = {
            "word_embeddings": self.vocab_size,
            "position_embeddings": self.positions if "position_embeddings" in self.names else 0,
            "token_type_embeddings": self.token_types,
            "projection": self.hidden_size if self.embedding_size != self.hidden_size else 0,
        }
        tables = {part: (count, self.embedding_size) for part, count in rows.items() if count}
        return tables | {"embedding_norm": (self.embedding_size,)}

    def embed(self, ops: Operations, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Sums the embeddings, and projects them if they are narrower than hidden states."""
        hidden = ops.embedding(self.name("word_embeddings"), input_ids)
        if "position_embeddings" in self.names:
            hidden = hidden + ops.embedding(self.name("position_embeddings"), position_ids)
        if self.token_types:
            table = ops.weight(self.name("token_type_embeddings") + ".weight")
            hidden = hidden + ops.take(table, ops.constant(0), 0)
        hidden = ops.dropout(ops.norm(hidden, self.name("embedding_norm"), self.epsilon))
        if self.embedding_size == self.hidden_size:
            return hidden
        return ops.linear(hidden, self.name("projection"), exact=True)

    def layer(self, ops: Operations, number: int, hidden: Tensor) -> Tensor:
        """Self-attention and feed-forward, each followed by a residual connection and LayerNorm."""

        def at(part: str) -> str:
            return self.name(part, number)

        def added(hidden: Tensor, output: Tensor, norm: str) -> Tensor:
            return ops.norm(hidden + ops.dropout(output), at(norm), self.epsilon)

        query, key, value = ops.linear(hidden, at("query"), at("key"), at("value"))
        attended = ops.attend(number, query, key, value)
        hidden = added(hidden, ops.linear(attended, at("attention_output")), "attention_norm")
        inner = ops.activation(self.setting("hidden_act"), ops.linear(hidden, at("intermediate"), per_row=True))
        return added(hidden, ops.linear(inner, at("output"), per_row=True), "output_norm")


def distances(ops: Operations, position: Tensor) -> Tensor:
    """Key position − query position for each pair of rows of a window, ``(rows, rows)``."""
    return ops.unsqueeze(position, 0) - ops.unsqueeze(position, 1)
