"""ELECTRA's discriminator (Clark et al. 2020): BERT with embeddings that may be narrower than hidden states."""

from __future__ import annotations

from transformers import ElectraConfig

from engine.pytorch.encoders.bert import NAMES, BertEncoder


class ElectraEncoder(BertEncoder):
    """ELECTRA and BioELECTRA."""

    architecture = "ElectraForTokenClassification"
    prefix = "electra"
    names = NAMES | {"projection": "embeddings_project"}

    def __init__(self, config: ElectraConfig) -> None:
        super().__init__(config, embedding_size=config.embedding_size)
