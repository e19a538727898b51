"""Settings of training and their checks, without torch, so that errors come at once."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass

from engine.base import DTYPES
from engine.errors import InputError
from engine.models.families import family_of
from engine.models.folder import GATES, errors_name, local_folder, read_config, read_folder
from engine.models.shipped import SHIPPED
from engine.models.tokenizer import word_pieces
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.settings import check_settings, setting
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces

WORK = "training"  # in the folder that `accelerate` writes, the folder of its run
CONDITIONS = f"{WORK}/accelerate.json"
RESUME = "After an interruption, the same command with --resume continues."


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of training."""

    out: str = setting(MISSING, "folder for the model, the log and the checkpoint, which --resume needs")
    epochs: int = setting(12, "maximum number of passes over the training data", 1, 10_000)
    lr: float = setting(3e-4, "peak learning rate; linear warm-up over a tenth of the steps, then linear decay", 0, 1)
    max_rows: int = setting(2048, "maximum number of word pieces in a batch", 1, 10**7)
    dropout: float = setting(0.1, "dropout on embeddings and on the outputs of attention and feed-forward", 0, 0.9)
    average: float = setting(0.995, "decay per step of the weights' running average; lower at first", 0, 0.99999)
    temperature: float = setting(0.5, "temperature of a teacher's labels; below 1 sharpens them", 0.05, 20)
    soft_share: float = setting(1.0, "a teacher's windows in each epoch, as a multiple of the gold ones", 0, 100)
    pruned: float = setting(0.0, "share of windows that are pruned; a word's loss is then taken where it exits", 0, 1)
    mask: float = setting(0.1, "share of words that are masked in each pass", 0, 0.9)
    seed: int = setting(0, "seed of all that is random", 0, 2**31)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class PointsConfig:
    """How operating points are chosen."""

    max_f1_drop: tuple[float, ...] = setting(
        (0.2, 0.5, 1.5), "points of agreement that careful, balanced and fast may lose", 0, 100
    )
    dtype: str = setting("auto", "dtype in which settings are measured", choices=DTYPES)

    def __post_init__(self) -> None:
        check_settings(self)
        _ = self.limits  # refuses numbers that are not in order

    @property
    def limits(self) -> dict[str, float]:
        """Operating point → pp that it may lose."""
        return by_point(self.max_f1_drop, "--max-f1-drop")


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig(PointsConfig):
    """Settings of ``accelerate``."""

    checkpoint: str = setting(MISSING, "folder or hub id of a token-classification checkpoint", metavar="CHECKPOINT")
    out: str = setting(MISSING, "folder for the model: a new one, or that of the same run")
    labels: str = setting("", "file that says what the checkpoint's labels mean, if the checkpoint does not")
    student: str = setting("", "encoder (folder or hub id), or a model folder with gates, that learns instead")
    epochs: int = setting(3, "number of passes over the texts to learn from", 1, 1000)
    seed: int = setting(0, "seed of all that is random", 0, 2**31)


@dataclass(frozen=True, kw_only=True)
class CascadeConfig:
    """Settings of ``cascade``."""

    large: str = setting(MISSING, "folder or hub id of a token-classification checkpoint", metavar="LARGE")
    small: str = setting(MISSING, "folder or hub id of a small model with the same labels")
    out: str = setting(MISSING, "new folder for the cascade")
    corpus: tuple[str, ...] = setting((), "gold to compare F1 on: NAME:SPLIT or a file", separator=" ")
    small_strategy: str = setting("entropy", "strategy of the small model")
    dtype: str = setting("auto", "dtype of both", choices=DTYPES)
    share: tuple[float, ...] = setting((0.6, 0.4, 0.2), "share of words for LARGE at careful, balanced and fast")

    def __post_init__(self) -> None:
        _ = self.shares  # refuses numbers that are not in order

    @property
    def shares(self) -> dict[str, float]:
        """Operating point → share of the held-out words for the large model."""
        return by_point(self.share, "--share", descending=True)


@dataclass(frozen=True)
class Backbone:
    """An encoder to train, as its folder describes it; made by `read_backbone`."""

    source: str  # folder or hub id
    labels: LabelSet  # of its label heads
    layers: int  # number of first layers that are trained
    plain: bool  # whether only the last of them has a label head
    has_heads: bool  # whether it already has label heads for these labels
    pieces: WordPieces


def read_backbone(source: str, labels: LabelSet, *, layers: int | None = None, plain: bool = False) -> Backbone:
    """Reads a pretrained encoder or a model folder, whose label heads are kept if it has the same labels.

    ``source``: folder, hub id, or name of shipped weights. ``layers``: number of first layers; ``None`` for all.
    Raises an `InputError` if the encoder is not supported or has fewer layers.
    """
    source = str(SHIPPED.get(source, source))
    folder = local_folder(source)
    with errors_name(source, folder):
        family = family_of(read_config(folder))
        pieces = word_pieces(folder, family.max_rows, family.setting("vocab_size"))
    most = family.num_layers
    if layers is not None and layers > most:
        raise InputError(f"--layers is {layers}, but {source!r} has {most}. Lower it.")
    stored = read_folder(source).labels if (folder / GATES).is_file() else None
    has_heads = stored is not None and set(stored.names) == set(labels.names)
    return Backbone(source, stored if stored and has_heads else labels, layers or most, plain, has_heads, pieces)


def by_point(numbers: Sequence[float], option: str, *, descending: bool = False) -> dict[str, float]:
    """Maps operating points to the numbers of an option; raises an `InputError` unless there is one each, in order."""
    if len(numbers) != len(OPERATING_POINTS) or [*numbers] != sorted(numbers, reverse=descending):
        wanted = f"{len(OPERATING_POINTS)} {'descending' if descending else 'ascending'} numbers"
        points = ", ".join(OPERATING_POINTS)
        raise InputError(f"{option} takes {wanted}, for {points}, not {', '.join(f'{n:g}' for n in numbers)}.")
    return dict(zip(OPERATING_POINTS, numbers, strict=True))
