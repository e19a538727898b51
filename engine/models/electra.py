"""ELECTRA's discriminator (Clark et al. 2020): BERT with embeddings that may be narrower than hidden states."""

from typing import ClassVar

from engine.models.bert import Bert


class Electra(Bert):
    """ELECTRA and BioELECTRA."""

    architecture = "ElectraForTokenClassification"
    prefix = "electra"
    names: ClassVar = Bert.names | {"projection": "embeddings_project"}
    defaults: ClassVar = Bert.defaults | {"embedding_size": 128}
