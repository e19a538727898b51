"""Tiny real models of every supported family, with random weights and tokenizers of the kind each uses."""

from __future__ import annotations

import json
import string
from functools import cache
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
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

from engine.model.encoders import ENCODERS, encoder_from_huggingface
from engine.model.gated import GatedModel
from engine.text.labels import LabelSet
from tests.conftest import TEXT

FAMILIES = tuple(ENCODERS)
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
    model = GatedModel(encoder_from_huggingface(reference), LABELS, gates=True)
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
    found = reference.base_model.get_submodule(ENCODERS[family].layer_path)
    assert isinstance(found, torch.nn.ModuleList)
    return found


CORPUS = [TEXT, TEXT.lower(), "hypotension after nausea, delirium and aspirin 20 mg", string.printable.split("\t")[0]]


@cache
def tokenizer_of(family: str) -> PreTrainedTokenizerBase:
    """A tokenizer of the kind the family uses: WordPiece, byte-level BPE or SentencePiece's Unigram."""
    return _TOKENIZERS.get(family, _wordpiece)(family)


def _wordpiece(family: str) -> PreTrainedTokenizerBase:
    special = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"] if family == "mpnet" else []
    special = special or ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    characters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    entries = [*special, *characters, *(f"##{one}" for one in characters), "fam", "##ot", "##idine", "nausea", "and"]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    return MPNetTokenizer(vocab=vocabulary) if family == "mpnet" else BertTokenizer(vocab=vocabulary)


def _byte_level(family: str) -> PreTrainedTokenizerBase:
    roberta = family == "roberta"
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"] if roberta else ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    backend = Tokenizer(models.BPE(unk_token=special[3]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=360, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    if roberta:
        model = json.loads(backend.to_str())["model"]
        return RobertaTokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 2)]
    )
    cls, pad, sep, unk, mask = special
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, cls_token=cls, pad_token=pad, sep_token=sep, unk_token=unk, mask_token=mask
    )


def _unigram(family: str) -> PreTrainedTokenizerBase:
    deberta = family == "deberta-v2"
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"] if deberta else ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token=special[3], show_progress=False)
    backend.train_from_iterator(CORPUS, trainer)
    vocabulary = [(piece, score) for piece, score in json.loads(backend.to_str())["model"]["vocab"]]
    kinds: dict[str, Any] = {
        "camembert": CamembertTokenizer,
        "deberta-v2": DebertaV2Tokenizer,
        "xlm-roberta": XLMRobertaTokenizer,
    }
    return kinds[family](vocab=vocabulary)


_TOKENIZERS = {
    "camembert": _unigram,
    "deberta-v2": _unigram,
    "modernbert": _byte_level,
    "roberta": _byte_level,
    "xlm-roberta": _unigram,
}
