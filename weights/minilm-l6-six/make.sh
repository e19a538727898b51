#!/usr/bin/env bash
# Makes these weights; started again, it goes on where it was stopped. In the root of a checkout:
#
#   TEXTS=FOLDER RUNS=FOLDER bash weights/minilm-l6-six/make.sh
#
# TEXTS holds the unlabelled texts in its folders unlabelled and six (README.md says which, with checksums), RUNS gets
# what the stages write. The student begins as the encoder of chemicals-diseases, with new label heads. Without a
# connection to the hub, TEACHER_BACKBONE names a local folder of the teacher's pretrained encoder.
set -euo pipefail

teacher=${TEACHER_BACKBONE:-sentence-transformers/all-mpnet-base-v2}
mkdir -p "$RUNS"

stage() { python -m "engine.training.$1" "${@:2}"; }

# Nine corpora, each with the types that it annotates with care, and without documents that stand in a test or choose
# something. What TEXTS lacks in its folder six is downloaded.
python - "$TEXTS/six" "$RUNS" << 'PY'
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pooch

from engine.corpora import load_corpus
from engine.corpora.named import occurrences
from engine.formats import WRITERS, read_documents

AIONER = "https://raw.githubusercontent.com/ncbi/AIONER/b8fa941dc8f49e1c99756832da0c61e9c58dcef8/data/pubtator"
MUTATIONS = "OtherMutation ProteinMutation DNAMutation SNP AcidChange ProteinAllele DNAAllele Variant".split()
GENES = dict.fromkeys(("Gene", "FamilyName"), "Gene")
SIX = ("Chemical", "Disease", "Gene", "Species", "Variant", "CellLine")
CORPORA = {  # name: its file, checksum, its types by ours, first documents
    "biored": ("BioRED_TrainDev", "c509b83786ff7a82119d3bce6e28b7508b76decb99c6cad45d6d3dde656138b0", {t: t for t in SIX}, None),
    "gnormplus": ("GNormPlus_Train", "06cf0e2176249b4c17cfda57178c549bb7e16254c4ebf055bfbf6fbb2a7bbb7f", GENES, None),
    "nlm-gene": ("NLMgene_Train", "ae941181723d011dd35c085c9c0539b571b5f7b183f0c88edfec9af66862de81", GENES, None),
    "tmvar": ("tmVar3_Train", "1a5877747fea7025370cbd28dc236ad333abb948b2323abeea5eaf6d5507fc33",
              dict.fromkeys(MUTATIONS, "Variant"), None),
    "linnaeus": ("Linnaeus_Train", "d9f72c6ef6b94e852d0d20d09e85b9c1597581306dc87d1cab3478e0e0e5b0f7", {"Species": "Species"}, None),
    "species": ("SPECIES_Train", "133d4781632bba5f144688dfa6e1468830bc03d8ab4341673b4d14d64d80df6f", {"Species": "Species"}, None),
    "bioid": ("BioID_Train_revision", "61da131cf0a09c548189c778cccbd799b524857531f3c651031b54cc5356ef69", {"CellLine": "CellLine"}, 8704),
}
TEACHES = ("", "BC5CDR", "NCBI-disease")  # where else a document may stand
folder, runs = map(Path, sys.argv[1:])


def published(name, sha256, types, end):
    path = folder / f"{name}.PubTator"
    if not path.is_file() or pooch.file_hash(path) != sha256:
        path = pooch.retrieve(f"{AIONER}/{path.name}", sha256, path.name, runs)
    for document in list(read_documents(path, lambda error: print(error, "(left out)")))[:end]:
        entities = (replace(each, type=types[each.type]) for each in document.entities if each.type in types)
        yield replace(document, entities=tuple(entities))


corpora = {name: published(*given) for name, given in CORPORA.items()}
corpora |= {name: load_corpus(name, split).documents for name, split in (("bc5cdr", "fit"), ("ncbi-disease", "train"))}
for name, documents in corpora.items():
    teaching = [document for document in documents if occurrences().get(document.id, "") in TEACHES]
    (runs / f"{name}.jsonl").write_text("".join(WRITERS["jsonl"].write(teaching)), encoding="utf-8")
    print(name, len(teaching), *Counter(entity.type for document in teaching for entity in document.entities).items())
PY
gold() { # each corpus, and how many of its windows an epoch draws: all, unless there is a number
  for each in "$@"; do
    echo "$RUNS/${each%=*}.jsonl"
    case $each in *=*) echo "per-epoch=${each#*=}" ;; esac
  done
}

stage finetune --plain --backbone "$teacher" --corpus $(gold biored gnormplus=300 nlm-gene=220 tmvar=150 bc5cdr=200 \
  ncbi-disease=60 species=110 linnaeus=25 bioid=400) --dev-corpus biored:dev --epochs 3 --lr 8e-5 --mask 0 --dropout 0 \
  --max-rows 2048 --average 0.99 --out "$RUNS/teacher" --resume

# The teacher fills in the types that a corpus lacks. Sentences are joined to texts as long as abstracts, one a line.
sentences() {
  gunzip -c "$TEXTS/unlabelled/medline_sentences.txt.gz" | sed -n "$1" |
    awk '{ text = text sep $0; sep = " "; words += NF } words >= 200 { print text; text = sep = ""; words = 0 }
         END { if (text) print text }'
}
sentences 1,6000p > "$RUNS/learned.txt"
gunzip -c "$TEXTS/six/abstracts.jsonl.gz" > "$RUNS/abstracts.jsonl"
gunzip -c "$TEXTS/unlabelled/clinical_abstracts.jsonl.gz" | sed -n 1,400p > "$RUNS/clinical.jsonl"
gunzip -c "$TEXTS/six/held_back.jsonl.gz" > "$RUNS/held_back.jsonl"

python - "$RUNS" << 'PY' # the teacher labels in 8 bits if they agree with float32
import sys
from pathlib import Path

from engine.formats import read_texts
from engine.training.points import store_agreement

runs = Path(sys.argv[1])
texts = read_texts([str(runs / "held_back.jsonl")])[:60]
store_agreement(runs / "teacher", texts)
PY
stage finetune --backbone chemicals-diseases --corpus $(gold biored gnormplus nlm-gene tmvar=250 bc5cdr=400 \
  ncbi-disease=200 species=400 linnaeus=60 bioid=600) --dev-corpus biored:dev --teacher "$RUNS/teacher" \
  --lines --texts "$RUNS/abstracts.jsonl" "$RUNS/clinical.jsonl" "$RUNS/learned.txt" --temperature 1 --epochs 3 --lr 3e-4 \
  --pruned 0.5 --dropout 0 --out "$RUNS/model" --resume

stage decoder --model "$RUNS/model" --corpus "$RUNS/biored.jsonl" --dev-corpus biored:dev

# Operating points are chosen on our development part of BioRED, without its labels, and texts from which nothing learns.
python - "$RUNS" << 'PY' # settings that the sweep does not find; it measures stored ones, too
import json
import sys
from pathlib import Path

from engine.corpora import load_corpus

runs = Path(sys.argv[1])
texts = [{"id": each.id, "text": each.text} for each in load_corpus("biored", "dev").documents]
(runs / "dev.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
points = {
    point: {
        "name": "entropy",
        "point": point,
        "gates": gates,
        "controller": {"kind": "entropy", "max_entropy": thresholds, "neighbours": neighbours, "exit_entities": True},
    }
    for point, gates, neighbours, thresholds in (
        ("careful", [1, 2, 3, 5], 2, [0.1, 0.1, 0.15, 1.0]),
        ("balanced", [1, 2, 3, 5], 1, [0.1, 0.1, 0.2, 1.0]),
        ("fast", [1, 2, 3, 4], 1, [0.1, 0.1, 0.2, 1.0]),
    )
}
(runs / "model" / "operating_points.json").write_text(json.dumps({"entropy": points}))
PY
stage calibrate --model "$RUNS/model" --texts "$RUNS/held_back.jsonl" "$RUNS/dev.jsonl" --strategies entropy \
  --max-f1-drop 3.2,3.8,5.2
