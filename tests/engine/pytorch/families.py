"""Tiny real models of every supported family, with random weights and tokenizers of the kind each uses."""

import string
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    BertTokenizer,
    CamembertTokenizer,
    DebertaV2Tokenizer,
    MPNetTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from engine.models.families import FAMILIES as FAMILY_CLASSES
from engine.pruning.controllers.mlp import FEATURES, Network
from engine.pytorch.model import Encoder, GatedModel
from engine.text.labels import LabelSet
from engine.text.windows import Window
from tests.conftest import TEXT

FAMILIES = tuple(FAMILY_CLASSES)
every_family = pytest.mark.parametrize("family", FAMILIES)
LABELS = LabelSet(("Chemical", "Disease"))

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 100,
}
PECULIAR: dict[str, dict[str, Any]] = {
    "deberta-v2": {
        "relative_attention": True,
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48},
    "electra": {"embedding_size": 16},
    "modernbert": {"local_attention": 16},  # 8 to either side
}


def tiny(family: str, vocabulary: int = 200, **changes: Any) -> Any:
    """The family's own configuration class, small."""
    settings = SIZES | {"pad_token_id": 1} | PECULIAR.get(family, {}) | changes
    config = AutoConfig.for_model(family, vocab_size=vocabulary, **settings)
    config.id2label = dict(enumerate(LABELS.names))
    config.label2id = {name: index for index, name in enumerate(LABELS.names)}
    return config


def huggingface(config: Any, seed: int = 0, spread: float = 0.3) -> PreTrainedModel:
    """A token-classification model that exposes its attention, with norms and biases random, too."""
    torch.manual_seed(seed)
    model = AutoModelForTokenClassification.from_config(config, attn_implementation="eager")
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.dim() == 1), std=spread)
    return model.eval()


def gated(reference: PreTrainedModel) -> GatedModel:
    """Our model with the same weights and classifier, and random gates."""
    model = GatedModel(Encoder(deepcopy(reference)), LABELS, gates=True)
    last: Any = model.heads[str(model.encoder.num_layers)]
    last.load_state_dict(reference.get_submodule("classifier").state_dict())
    return model.eval()


@cache
def pair(family: str) -> tuple[PreTrainedModel, GatedModel]:
    """A Hugging Face model and ours with the same weights; do not modify."""
    reference = huggingface(tiny(family))
    return reference, gated(reference)


def layers(reference: PreTrainedModel, family: str) -> torch.nn.ModuleList:
    """The layers of a Hugging Face model."""
    modules = reference.base_model.get_submodule(FAMILY_CLASSES[family].layer_path)
    assert isinstance(modules, torch.nn.ModuleList)
    return modules


def network() -> Network:
    """A random network of ``mlp`` for gates 1 and 2, with every feature."""
    rng, names = np.random.default_rng(0), tuple(FEATURES)
    shapes = (len(names), 4), (4,), (4,), (1,)
    return Network(names, {gate: tuple(rng.normal(size=s).astype(np.float32) for s in shapes) for gate in (1, 2)})


def window(pieces: list[int], offset: int = 10) -> Window:
    """A window with these piece counts per word."""
    word = np.repeat(np.arange(len(pieces)), pieces)
    return Window(
        input_ids=np.concatenate(([2], offset + np.arange(len(word)), [3])),
        word=np.concatenate(([-1], word, [-1])),
        first=0,
        num_words=len(pieces),
        label_start=0,
        label_end=len(pieces),
    )


CORPUS = [TEXT, TEXT.lower(), "hypotension after nausea, delirium and aspirin 20 mg", string.printable.split("\t")[0]]
ANGLED = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
SQUARE = {name: f"[{name.removesuffix('_token').upper()}]" for name in ANGLED}
UNIGRAM = {"camembert": CamembertTokenizer, "deberta-v2": DebertaV2Tokenizer, "xlm-roberta": XLMRobertaTokenizer}


@cache
def tokenizer_of(family: str) -> PreTrainedTokenizerBase:
    """A tokenizer of the kind the family uses: WordPiece, byte-level BPE or SentencePiece's Unigram."""
    names = ANGLED if family in ("camembert", "mpnet", "roberta", "xlm-roberta") else SQUARE
    special = list(names.values())
    if family in UNIGRAM:
        empty: Any = UNIGRAM[family](vocab=[(piece, 0.0) for piece in special])
        return empty.train_new_from_iterator(CORPUS, 150, show_progress=False)
    if family in ("modernbert", "roberta"):
        ids = {piece: number for number, piece in enumerate(special)}
        ends = {"bos_token": special[0], "eos_token": special[2]}
        trained = RobertaTokenizer(vocab=ids, **names, **ends).train_new_from_iterator(CORPUS, 360, show_progress=False)
        backend = trained.backend_tokenizer
        return trained if family == "roberta" else PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    special[3] = "[UNK]"
    characters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    entries = [
        *special,
        *characters,
        *(f"##{character}" for character in characters),
        "fam",
        "##ot",
        "##idine",
        "nausea",
        "and",
    ]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    return MPNetTokenizer(vocab=vocabulary) if family == "mpnet" else BertTokenizer(vocab=vocabulary)
