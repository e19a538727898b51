"""How a model folder says how its labels become entities, and the options that change it."""

import json
import shutil

import numpy as np
import pytest

from engine import InputError, load_engine, pipeline
from engine.corpora import Corpus
from engine.models.decoder_file import DECODING, read_decoder, write_decoder
from engine.models.folder import POINTS
from engine.text.decoding import Decoder
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.training import decoder as command
from engine.training.points import store
from tests.conftest import SAMPLE

LABELS = LabelSet(("Chemical", "Disease"))
DEFINITION = "Tardive dyskinesia (TD) was seen in all patients with TD."


def test_transitions_come_back_in_the_order_of_the_models_labels(tmp_path):
    transitions = np.arange(25.0).reshape(5, 5)
    write_decoder(tmp_path, Decoder(LABELS, transitions, abbreviations=True), ["bc5cdr fit"])
    assert (read_decoder(tmp_path, LABELS).transitions == transitions).all()
    other = LabelSet.from_names(["O", "B-Disease", "I-Disease", "B-Chemical", "I-Chemical"])
    read = read_decoder(tmp_path, other).transitions
    for a, first in enumerate(other.names):
        for b, second in enumerate(other.names):
            assert read[a, b] == transitions[LABELS.names.index(first), LABELS.names.index(second)]


def test_a_folder_without_the_file_has_constraints_alone(tmp_path):
    decoder = read_decoder(tmp_path, LABELS)
    assert (decoder.transitions, decoder.constraints, decoder.abbreviations) == (None, True, False)
    assert read_decoder(tmp_path, LABELS, abbreviations=True).abbreviations


@pytest.mark.parametrize(
    "change", [{"labels": ["O"]}, {"transitions": [[0]]}, {"transitions": [["x"] * 5] * 5}, {"abbreviations": 1}, None]
)
def test_a_damaged_file_is_refused_and_named(change, tmp_path):
    write_decoder(tmp_path, Decoder(LABELS, np.zeros((5, 5))), [])
    path = tmp_path / DECODING
    path.write_text("{" if change is None else json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=DECODING):
        read_decoder(tmp_path, LABELS)


def test_options_switch_each_part_off(shipped):
    found = [entity.text for entity in shipped.tag(DEFINITION).entities]
    assert found == ["Tardive dyskinesia", "TD", "TD"]
    folder = shipped.folder.path
    plain = load_engine(folder, shipped.dtype, constraints=False, abbreviations=False)
    result = plain.tag(DEFINITION)
    expected = plain.labels.decode(DEFINITION, result.words, result.probabilities)
    assert result.entities == expected
    assert plain.fingerprint["decoder"] != shipped.fingerprint["decoder"]


def test_a_word_carries_its_decoded_label_and_says_why(shipped):
    result = shipped.tag(DEFINITION, "dense")
    silent = load_engine(shipped.folder.path, shipped.dtype, abbreviations=False).tag(DEFINITION, "dense")
    for word, without in zip(result.trace.words, silent.trace.words, strict=True):
        inside = any(entity.start <= word.start < entity.end for entity in result.entities)
        assert (word.label != "O") == inside
        if word.label != without.label:
            assert word.decoder == "short form of Tardive dyskinesia"


def test_the_pipeline_decodes_as_the_engine_if_asked(shipped):
    ours = pipeline(model=shipped, decoder="bioner")(DEFINITION)
    assert [(group["start"], group["end"]) for group in ours] == [
        (entity.start, entity.end) for entity in shipped.tag(DEFINITION).entities
    ]
    with pytest.raises(InputError, match="'viterbi'"):
        pipeline(model=shipped, decoder="viterbi")


def test_the_command_counts_transitions_and_tries_abbreviations(model_folder, tmp_path, capsys):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    store(folder, {"int8": True})  # chosen with the decoder before
    options = ["--model", str(folder), "--corpus", str(SAMPLE), "--dev-corpus", str(SAMPLE)]
    assert command.main(options) == 0
    stored = json.loads((folder / DECODING).read_text())
    assert stored["labels"] == list(LABELS.names)
    assert not (folder / POINTS).exists()
    assert stored["counted"] == [str(SAMPLE)]
    decoder = read_decoder(folder, LABELS)
    assert decoder.transitions[1, 2] > decoder.transitions[0, 2], "I follows B, not O"


def test_corpora_that_lack_a_type_are_not_counted():
    text = "aspirin for pain"
    document = Document("1", text, (Entity(0, 7, "Chemical", "aspirin"),))
    partial = Corpus("chemicals", "all", ("Chemical",), (document,))
    decoder, counted = command.fit_decoder(LABELS, [partial])
    assert (decoder.transitions, counted) == (None, [])
    decoder, counted = command.fit_decoder(LABELS, [partial, Corpus("both", "all", LABELS.types, (document,))])
    assert counted == ["both"]
    assert decoder.transitions is not None
