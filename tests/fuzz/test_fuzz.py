"""Damaged files and odd texts: a small dose by default, an hour of them with ``make fuzz``.

The variable ``FUZZ`` is the number of examples of each test; ``--hypothesis-seed`` repeats a run.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import load_engine
from engine.data.formats import WRITERS
from engine.text.documents import Document
from tests.fuzz import files
from tests.fuzz.files import KINDS, Damaged, check_reading, damaged_files
from tests.fuzz.texts import check_result, long_text, texts

SHIPPED = "shipped", "shipped_int8"
EXAMPLES = int(os.environ.get("FUZZ", "25"))
DOSE = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def shipped_int8():
    return load_engine(dtype="int8")


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_lose_nothing_that_was_not_touched(name, tmp_path):
    @DOSE
    @given(damaged_files(name))
    def holds(damaged):
        check_reading(damaged, tmp_path)

    holds()


def of_two(name, change):
    """A file of two documents, and what a change made of it."""
    kind, documents = KINDS[name], [Document(f"3100000{number}", "Nausea\n", (), 6) for number in range(2)]
    ids = ["1", "2"] if kind.lines else [document.id for document in documents]
    sound = "".join(kind.write(documents)).encode()
    return Damaged(name, sound, change(sound), ids, set(ids))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pubtator", lambda sound: sound.partition(b"\n\n")[0] + b"\n31000000\t0\t6\tNausea\tDisease\t-131000001"),
        ("conll", lambda sound: b"-DOCSTART-" + sound.partition(b"\n\n-DOCSTART-")[0]),
        ("text lines", lambda sound: b"Nau\tB-sea\nNausea\tO\n"),
    ],
    ids=["an id within another", "a header without an id", "a table"],
)
def test_what_a_damaged_file_no_longer_says_is_not_expected_of_it(name, change, tmp_path):
    check_reading(of_two(name, change), tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_reader_that_loses_a_touched_document_is_found_out(name, tmp_path, monkeypatch):
    read = files.read_documents
    monkeypatch.setattr(
        files, "read_documents", lambda path, *handler, **rest: list(read(path, *handler, **rest))[len(handler) :]
    )
    with pytest.raises(AssertionError):
        check_reading(of_two(name, lambda sound: sound), tmp_path)


@pytest.mark.parametrize("model", ["engine", *(pytest.param(name, marks=pytest.mark.slow) for name in SHIPPED)])
def test_odd_texts_get_sound_results(model, request):
    engine = request.getfixturevalue(model)

    @DOSE
    @given(st.lists(texts(30), min_size=1, max_size=4), st.sampled_from(engine.runnable))
    def holds(several, strategy):
        for text, result in zip(several, engine.tag_batch(several, strategy), strict=True):
            check_result(text, result, engine)

    holds()


@pytest.mark.parametrize("seed", range(EXAMPLES // 25))
def test_a_long_odd_text_gets_a_sound_result(seed, engine):
    text = long_text(seed, 4000, 4000 + 40 * EXAMPLES)
    check_result(text, engine.tag(text, "entropy"), engine)
