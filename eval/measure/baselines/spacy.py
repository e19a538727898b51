"""``spacy=FOLDER``: spaCy's named-entity recogniser, trained by spaCy's own command (docs/reports.md).

It has its own weights, words and decoding, and runs on one thread.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.errors import InputError, explained
from engine.models.tensors import digest_of
from engine.text.documents import Entity
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, encodable
from eval.record import Prediction
from eval.schema import MODEL, SPACY

BATCH_SIZES = (1, 8, 64)  # of its pipe
TRAIN = "docs/reports.md says how to train one"


def load(inputs: Inputs) -> Baseline:
    import spacy

    if not inputs.name.folder:
        raise InputError(f"The baseline {SPACY} needs a trained model: {SPACY}=FOLDER. {TRAIN}.")
    folder = Path(inputs.name.folder)
    if (folder / "model-best").is_dir():  # as spaCy's own command leaves it
        folder /= "model-best"
    with explained(f"{inputs.name.folder} has no recogniser of spaCy", TRAIN):
        nlp = spacy.load(folder)
        labels = nlp.get_pipe("ner").labels
    nlp.max_length = 10**9  # characters; the default refuses long texts

    def run(texts: Sequence[str], parameters: RuntimeParameters) -> list[Prediction]:
        documents = nlp.pipe(map(encodable, texts), batch_size=parameters["texts"])
        return [Prediction(entities(*pair)) for pair in zip(texts, documents, strict=True)]

    files = sorted(path for path in folder.rglob("[!.]*") if path.is_file())
    settings = {
        "weights": f"its own, {digest_of(files)[:16]}; {nlp.meta.get('description', '')}".rstrip("; "),
        "types": ", ".join(labels),
        "input": "texts, `texts` at a time; its own words",
        "threads": "1",
        "spacy": spacy.__version__,
    }
    return Baseline(
        inputs.variant(settings, kind=MODEL), run, tuple({"texts": texts} for texts in BATCH_SIZES), threads=1
    )


def entities(text: str, document: Any) -> tuple[Entity, ...]:
    """Converts spaCy's entities of a text, which have no scores."""
    spans = ((span.start_char, span.end_char, span.label_) for span in document.ents)
    return tuple(Entity(start, end, label, text[start:end]) for start, end, label in spans)
