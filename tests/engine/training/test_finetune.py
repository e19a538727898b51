import copy
import json
import random
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import BertModel

from engine import InputError, load_engine
from engine.data.corpora import load_corpus
from engine.model.packing import RaggedBatch
from engine.pruning.controllers import EntropyController
from engine.pruning.forward import forward
from engine.pruning.memory import HeadOutput, MemoryBuffer
from engine.text.labels import LabelSet
from engine.text.windows import load_tokenizer
from engine.training.data import Packed, gold_examples, make_batches, make_examples, mask_words, pack
from engine.training.finetune import FinetuneConfig, Finetuning, main
from engine.training.heads import SampledController, joint_loss
from engine.training.loop import train
from tests.conftest import contents, tiny_config, write_vocabulary
from tests.engine.training.corpora import write_pubtator

ABSTRACT = "Chemical caused nausea . Nausea after Chemical ."
DEV = "dev.txt"


@pytest.fixture(scope="module")
def biobert_like(tmp_path_factory):
    """A cased encoder with BioBERT's file layout: configuration, ``vocab.txt``, weights; no tokenizer settings."""
    folder = tmp_path_factory.mktemp("biobert")
    write_vocabulary(folder, cased=True, config=False)
    config = tiny_config(len((folder / "vocab.txt").read_text().split()))
    config.initializer_range = 0.1
    torch.manual_seed(0)
    model = BertModel(config)
    config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Training documents, and beside them those for early stopping, `DEV`."""
    folder = tmp_path_factory.mktemp("corpus")
    spans = [(0, 8, "Chemical"), (16, 22, "Disease"), (25, 31, "Disease"), (38, 46, "Chemical")]
    for name, count in (("train.txt", 8), (DEV, 4)):
        write_pubtator(folder / name, ABSTRACT, spans, count)
    return folder / "train.txt"


def of_genes(corpus, folder):
    """The same, where every chemical is a gene."""
    for file in (corpus, corpus.with_name(DEV)):
        (folder / file.name).write_text(file.read_text().replace("Chemical\t-1", "Gene\t-1"))
    return folder / corpus.name


def config(biobert_like, corpus, out, **changes) -> FinetuneConfig:
    settings = {"epochs": 12, "lr": 0.01, "max_rows": 60, "average": 0.5, "dropout": 0.0, "mixed_precision": "no"}
    return FinetuneConfig(
        backbone=str(biobert_like),
        out=str(out),
        corpus=str(corpus),
        **({"dev_corpus": str(corpus.with_name(DEV))} | settings | changes),
    )


def finetune(settings, *, resume=False):
    return train(Finetuning, settings, resume=resume)


@pytest.fixture(scope="module")
def finetuned(biobert_like, corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return out, finetune(config(biobert_like, corpus, out))


def test_a_cased_encoder_learns_and_chemical_keeps_its_capital(finetuned):
    out, f1 = finetuned
    assert f1 > 0.9
    engine = load_engine(out)
    ids, _ = engine.pieces.pieces(["Chemical"])
    assert [engine.pieces._backend.id_to_token(piece) for piece in ids] == ["Chem", "##ical"]
    assert [e.text for e in engine.tag(ABSTRACT, "dense").entities] == ["Chemical", "nausea", "Nausea", "Chemical"]


def test_the_result_has_trained_gates_and_loads_for_every_strategy(finetuned):
    engine = load_engine(finetuned[0])
    for strategy in ("entropy", "rule", "truncate-2"):
        assert engine.tag(ABSTRACT, strategy).trace.words
    assert len(engine.tag(ABSTRACT, "truncate-2").entities) == 4


def test_a_run_that_was_cut_goes_on_and_ends_like_one_that_was_not(
    biobert_like, corpus, tmp_path, finetuned, monkeypatch
):
    from engine.training.loop import Training

    train_epoch = Training.train_epoch

    def cut(run):
        if run.epoch == 3:
            raise KeyboardInterrupt
        return train_epoch(run)

    settings = config(biobert_like, corpus, tmp_path / "cut")
    monkeypatch.setattr(Training, "train_epoch", cut)
    with pytest.raises(KeyboardInterrupt):
        finetune(settings)
    monkeypatch.setattr(Training, "train_epoch", train_epoch)
    assert finetune(settings, resume=True) == finetuned[1]

    def losses(folder):
        return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]

    assert losses(tmp_path / "cut") == pytest.approx(losses(finetuned[0]), abs=1e-3)
    for name in ("model.safetensors", "gates.safetensors"):  # the averaged weights, on which no loss depends
        one, other = (load_file(folder / name) for folder in (tmp_path / "cut", finetuned[0]))
        for key, value in one.items():
            torch.testing.assert_close(value, other[key], atol=5e-3, rtol=0)


def test_automatic_precision_is_what_takes_less_time_and_stays_that_of_the_run(
    biobert_like, corpus, tmp_path, monkeypatch
):
    from engine.training.loop import Training

    backward, slow = Training._backward, {"no"}

    def timed(run, batch, precision):
        if precision in slow:
            time.sleep(0.02)
        return backward(run, batch, precision)

    def logged(folder, wanted):
        records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        return [record[wanted] for record in records]

    monkeypatch.setattr(Training, "_backward", timed)
    drawn = {"epochs": 2, "dropout": 0.1, "mask": 0.1}
    for fast, other in (("bf16", "no"), ("no", "bf16")):
        slow = {other}
        folders = {name: tmp_path / f"{fast} {name}" for name in ("asked for", "auto")}
        finetune(config(biobert_like, corpus, folders["asked for"], mixed_precision=fast, **drawn))
        finetune(config(biobert_like, corpus, folders["auto"], mixed_precision="auto", **drawn))
        assert logged(folders["auto"], "mixed_precision") == [fast, fast]
        assert logged(folders["auto"], "loss") == logged(folders["asked for"], "loss")  # nothing learned, nothing drawn

    train_epoch = Training.train_epoch

    def cut(run):
        if run.epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(run)

    settings = config(biobert_like, corpus, tmp_path / "cut", mixed_precision="auto", **drawn)
    monkeypatch.setattr(Training, "train_epoch", cut)
    with pytest.raises(KeyboardInterrupt):
        finetune(settings)
    monkeypatch.setattr(Training, "train_epoch", train_epoch)
    slow = {"no"}  # now the other would be chosen
    finetune(settings, resume=True)
    assert logged(tmp_path / "cut", "mixed_precision") == ["no", "no"]


def test_a_folder_with_another_run_is_not_overwritten(biobert_like, corpus, finetuned):
    with pytest.raises(InputError, match="expected a new folder"):
        finetune(config(biobert_like, corpus, finetuned[0]))
    with pytest.raises(InputError, match=r"with lr 0.01, got lr 0.5"):
        finetune(config(biobert_like, corpus, finetuned[0], lr=0.5), resume=True)


def test_a_run_is_not_continued_with_other_labels_under_the_same_name(biobert_like, corpus, tmp_path):
    changing = shutil.copytree(corpus.parent, tmp_path / "corpus") / corpus.name
    settings = config(biobert_like, changing, tmp_path / "run", epochs=1)
    finetune(settings)
    finetune(settings, resume=True)
    text = changing.read_text()
    changing.write_text(text.replace("0\t38\t46\tChemical\tChemical\t-1\n", ""))
    assert changing.read_text() != text
    with pytest.raises(InputError, match="texts and labels"):
        finetune(settings, resume=True)


def test_early_stopping_ends_a_run_that_does_not_improve(biobert_like, corpus, tmp_path):
    finetune(config(biobert_like, corpus, tmp_path / "run", lr=0.0, patience=2))
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 3


def test_early_stopping_does_not_look_at_what_is_learned_from(biobert_like, corpus, tmp_path):
    copied = shutil.copy(corpus, tmp_path / "copied.txt")
    message = r"expected --dev-corpus with other documents than the training corpora, got .*copied\.txt all for both"
    with pytest.raises(InputError, match=message):
        finetune(config(biobert_like, corpus, tmp_path / "run", dev_corpus=str(copied)))
    assert not (tmp_path / "run").exists()


def test_a_run_whose_checkpoint_is_gone_is_not_trained_again_over_its_model(biobert_like, corpus, tmp_path):
    settings = config(biobert_like, corpus, tmp_path / "run", epochs=1)
    finetune(settings)
    shutil.rmtree(tmp_path / "run" / "checkpoint")
    before = contents(tmp_path / "run")
    with pytest.raises(InputError, match=r"expected the checkpoint of the run in .*, got none; take the model"):
        finetune(settings, resume=True)
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("options", "score"),
    [([], "exact-span F1"), (["--pruned", "0.7"], "mean exact-span F1 of dense and entropy")],
)
def test_the_command_says_what_its_score_is_of(options, score, monkeypatch, capsys):
    monkeypatch.setattr("engine.training.loop.train", lambda *_, **__: 0.5)
    assert main(["--backbone", "b", "--out", "o", *options]) == 0
    assert capsys.readouterr().out == f"{score} on development: 0.5000; the model is in o\n"


def test_words_are_masked_only_where_there_is_a_token_for_it(plain_folder, corpus, tmp_path):
    backbone = shutil.copytree(plain_folder, tmp_path / "no mask")
    tokenizer = load_tokenizer(backbone)
    tokenizer.mask_token = None
    tokenizer.save_pretrained(backbone)
    with pytest.raises(InputError, match=r"expected a mask token in .* for --mask 0\.1, got none; add"):
        finetune(config(backbone, corpus, tmp_path / "run", epochs=1))
    finetune(config(backbone, corpus, tmp_path / "run", epochs=1, mask=0.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "/no/such"}, "expected a Hugging Face encoder"),
        ({"corpus": "/no/such"}, "expected one of the corpora"),
        ({"epochs": "0"}, "expected epochs between 1"),
        ({"mixed-precision": "fp3"}, "expected mixed_precision auto, bf16 or no"),
        ({"layers": "1", "pruned": "0.7"}, "expected two layers or more with --pruned, got one"),
        ({"frozen": "true"}, "use python -m engine.training.accelerate CHECKPOINT --frozen"),
        ({"dense-share": "0.3"}, "expected --pruned with --dense-share 0.3, got none; add it, or leave --dense-share"),
    ],
)
def test_wrong_settings_end_with_status_2_and_a_clear_line(biobert_like, corpus, tmp_path, capsys, changes, message):
    options = {"backbone": str(biobert_like), "corpus": str(corpus), "out": str(tmp_path / "run")}
    options |= {"dev-corpus": str(corpus.with_name(DEV))} | changes
    assert main([part for name, value in options.items() for part in (f"--{name}", value)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--backbone", "b", "--out", "o", "--sentences", "f"]])
def test_missing_and_unknown_options_end_with_status_2(options, capsys):
    with pytest.raises(SystemExit) as error:
        main(options)
    assert error.value.code == 2
    assert ("required: --out" in capsys.readouterr().err) == (not options)


def test_help_tells_what_every_option_means(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for name, field in FinetuneConfig.__dataclass_fields__.items():
        if name != "LIMITS":
            assert f"--{name.replace('_', '-')} " in shown
            assert field.metadata["help"] in shown


def test_batches_hold_every_window_once_within_the_limit(engine, corpus):
    examples = gold_examples(load_corpus(str(corpus)), engine.pieces, LabelSet(("Chemical", "Disease")))
    batches = make_batches(examples, 100, random.Random(0))
    assert sorted(id(e) for batch in batches for e in batch) == sorted(map(id, examples))
    assert all(len(batch) == 1 or sum(len(e.window.input_ids) for e in batch) <= 100 for batch in batches)
    packed = pack(examples, torch.device("cpu"))
    assert len(packed.targets) == len(packed.outside) == len(packed.batch.words)


def test_masking_takes_whole_words(engine):
    batch = RaggedBatch.from_windows(engine.pieces.windows(["hypotension", "nausea"] * 8))
    torch.manual_seed(0)
    masked = mask_words(batch, 0.5, 4).input_ids == 4
    assert 0 < masked.sum() < len(batch)
    for word in range(len(batch.words)):
        assert len(set(masked[batch.word == word].tolist())) == 1
    assert not masked[batch.word < 0].any()


@pytest.fixture
def memory(engine):
    """Two words and two labels: the first word left after layer 1, the second after the last, 2."""
    batch = RaggedBatch.from_windows(engine.pieces.windows(["nausea", "and"]))
    memory = MemoryBuffer.of(batch, LabelSet.from_names(["O", "Disease"]), 2)
    right, wrong = [9.0, 0.0], [0.0, 9.0]
    memory.update(HeadOutput(1, torch.tensor([0, 1]), torch.tensor([right, wrong])))
    memory.exit_at[0] = 1
    memory.update(HeadOutput(2, torch.tensor([1]), torch.tensor([right])))
    return memory


def loss(memory, targets, config):
    return joint_loss(memory, Packed(memory.batch, targets, torch.tensor([[True, False]] * 2)), 2, config)


def test_a_words_loss_is_taken_where_it_left_and_the_gates_are_weighed(memory):
    plain = FinetuneConfig(backbone="b", out="o")
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert loss(memory, targets, replace(plain, gate_weight=0.0)) < 0.01
    assert loss(memory, targets, plain) == pytest.approx(4.5, abs=0.1)  # the gate erred on one of two words
    swapped = targets.flip(-1)
    assert loss(memory, swapped, replace(plain, gate_weight=0.0)) == pytest.approx(9, abs=0.1)


def test_a_soft_target_is_best_met_by_its_own_distribution(memory):
    plain = FinetuneConfig(backbone="b", out="o", gate_weight=0.0)
    half = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    assert loss(memory, half, plain) == pytest.approx(4.5, abs=0.1)


def test_soft_targets_are_sharpened_below_temperature_1_and_gold_stays(engine):
    targets = np.array([[255, 0, 0], [204, 51, 0]], dtype=np.uint8)
    examples = make_examples(["nausea", "and"], targets, engine.pieces)
    for temperature, doubtful in ((1.0, [0.8, 0.2, 0.0]), (0.5, [16 / 17, 1 / 17, 0.0])):
        packed = pack(examples, torch.device("cpu"), temperature)
        torch.testing.assert_close(packed.targets, torch.tensor([[1.0, 0.0, 0.0], doubtful]))


def test_pruned_windows_may_learn_from_the_dense_pass(finetuned, corpus, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("engine.training.heads.joint_loss", lambda memory, packed, *_: seen.append(packed.targets))
    run = Finetuning(config(finetuned[0], corpus, tmp_path / "run", pruned=1.0, dense_share=1.0, mask=0.0))
    batch = run.batches(random.Random(0))[0]
    run.model.eval()
    run.loss(batch)
    dense = forward(run.model, pack(batch, torch.device("cpu")).batch, (), None).probabilities
    np.testing.assert_allclose(seen[0], dense, atol=1e-5)


def test_the_dense_pass_is_that_of_the_present_weights(finetuned, corpus, tmp_path):
    run = Finetuning(config(finetuned[0], corpus, tmp_path / "run", pruned=1.0, dense_share=0.3, mask=0.0))
    batch = run.batches(random.Random(0))[0]
    packed = pack(batch, torch.device("cpu")).batch
    for _ in range(3):
        run.step(batch)
        with torch.no_grad():
            expected = forward(copy.deepcopy(run.model), packed, (), None).heads[-1].logits.softmax(-1)
        torch.testing.assert_close(run._dense_targets(packed), expected)


def test_self_sampling_trains_a_model_folder_on_while_it_is_pruned(finetuned, corpus, tmp_path):
    settings = config(finetuned[0], corpus, tmp_path / "run", pruned=0.8, epochs=2, lr=0.001, dense_share=0.3)
    assert finetune(settings) > 0.9
    assert load_engine(tmp_path / "run").tag(ABSTRACT, "entropy").entities


def test_a_shallow_student_takes_the_backbones_first_layers(biobert_like, corpus, tmp_path, finetuned):
    settings = config(biobert_like, corpus, tmp_path / "run", layers=2, epochs=1, lr=0.0)
    finetune(settings)
    shallow, whole = load_engine(tmp_path / "run").encoder, BertModel.from_pretrained(biobert_like)
    assert shallow.num_layers == 2
    weight = whole.encoder.layer[1].output.dense.weight
    torch.testing.assert_close(shallow.layers[1].output.weight, weight, atol=1e-3, rtol=0)
    for backbone, message in ((biobert_like, "expected at most 3 --layers"), (finetuned[0], "expected a plain enc")):
        with pytest.raises(InputError, match=message):
            finetune(replace(settings, backbone=str(backbone), layers=4, out=str(tmp_path / "other")))


def test_a_corpus_of_blanks_teaches_nothing(biobert_like, corpus, tmp_path):
    (tmp_path / "blank.jsonl").write_text('{"text": " "}\n')
    with pytest.raises(InputError, match=r"expected documents to learn from, got none in .*blank\.jsonl all"):
        finetune(config(biobert_like, tmp_path / "blank.jsonl", tmp_path / "run", dev_corpus=str(corpus)))


def test_other_files_are_not_written_over(plain_folder, corpus, tmp_path):
    folder = shutil.copytree(plain_folder, tmp_path / "checkpoint")
    before = contents(folder)
    with pytest.raises(InputError, match="with other files in it; use another --out"):
        finetune(config(folder, corpus, folder))
    assert contents(folder) == before


def test_sampled_settings_close_all_gates_of_the_windows_that_are_not_pruned():
    torch.manual_seed(0)
    drawn = SampledController.draw(5, 400, 0.7).thresholds
    assert drawn.shape == (5, 400)
    unpruned = (drawn < 0).all(0).mean()
    assert 0.25 < unpruned < 0.4  # three in ten, and few whose gates are all closed by chance
    assert ((drawn == -1) | (drawn > 0)).all()


def test_sampled_thresholds_begin_where_the_model_is_certain():
    middle = {}
    for lowest in (0.0, 0.05, 0.9):
        torch.manual_seed(0)
        drawn = SampledController.draw(11, 400, 1.0, lowest).thresholds[5]
        middle[lowest] = drawn[(drawn > 0) & (drawn < 1)]
    assert 0.003 <= middle[0.0].min() < 0.004
    assert 0.05 <= middle[0.05].min() < 0.06
    assert middle[0.9].tolist() == pytest.approx([0.3] * len(middle[0.9]))


def test_the_threshold_of_a_single_gate_is_that_of_a_middle_one():
    torch.manual_seed(0)
    drawn = SampledController.draw(1, 400, 1.0, 0.05).thresholds
    assert 0.05 <= drawn[drawn > 0].min() < 0.06


@pytest.mark.parametrize("gates", [3, 5, 11])
def test_sampled_thresholds_grow_as_much_in_shallow_models_as_in_deep_ones(gates):
    torch.manual_seed(0)
    drawn = SampledController.draw(gates, 4000, 1.0).thresholds
    first, last = drawn[0], drawn[-1]
    growth = (last / first)[(first > 0) & (first < 1) & (last > 0) & (last < 0.3)]
    assert 1 <= growth.min() < 1.1
    assert 15 < growth.max() <= 16.01


@pytest.mark.parametrize(("gates", "first_end"), [(1, 1), (2, 1), (5, 2), (11, 4)])
def test_where_all_words_exit_at_once_they_do_so_from_a_third_of_the_depth_on(gates, first_end):
    torch.manual_seed(0)
    ends = (SampledController.draw(gates, 400, 1.0).thresholds == 1).any(1)
    assert (np.flatnonzero(ends) + 1).tolist() == list(range(first_end, gates + 1))


def test_a_sampled_controller_decides_window_by_window(engine):
    words = ["nausea", "and", "hypotension"]
    batch = RaggedBatch.from_windows(engine.pieces.windows(words) * 2)
    controller = SampledController(np.array([[-1.0, 1.0], [-1.0, 1.0]]), EntropyController(exit_entities=True))
    memory = forward(engine.model, batch, (1, 2), controller)
    assert memory.exit_at.tolist() == [3] * 3 + [1] * 3


def test_a_corpus_without_entities_stops_nothing_early(biobert_like, corpus, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("1|t|Nausea.\n1|a|\n")
    with pytest.raises(InputError, match=r"expected entities for early stopping, got none in .*; choose another"):
        finetune(config(biobert_like, corpus, tmp_path / "run", dev_corpus=str(plain)))


def test_a_model_with_other_labels_is_not_trained_on(finetuned, corpus, tmp_path):
    with pytest.raises(InputError, match="expected a model with the labels"):
        finetune(config(finetuned[0], of_genes(corpus, tmp_path), tmp_path / "run"))


def test_settings_are_kept_beside_the_model(finetuned, biobert_like):
    stored = json.loads((finetuned[0] / "training.json").read_text())
    assert FinetuneConfig(**stored).backbone == str(biobert_like)


def test_an_incomplete_backbone_is_refused(biobert_like, corpus, tmp_path):
    folder = shutil.copytree(biobert_like, tmp_path / "incomplete")
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="expected a Hugging Face encoder"):
        finetune(config(folder, corpus, tmp_path / "run"))
