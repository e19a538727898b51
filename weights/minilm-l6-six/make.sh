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

stage finetune --plain --backbone "$teacher" --corpus biored:six gnormplus per-epoch=300 nlm-gene per-epoch=220 \
  tmvar per-epoch=150 bc5cdr:six per-epoch=200 ncbi-disease:six per-epoch=60 species per-epoch=110 \
  linnaeus per-epoch=25 bioid per-epoch=400 --dev-corpus biored:dev --epochs 3 --lr 8e-5 --mask 0 --dropout 0 \
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
stage finetune --backbone chemicals-diseases --corpus biored:six gnormplus nlm-gene tmvar per-epoch=250 \
  bc5cdr:six per-epoch=400 ncbi-disease:six per-epoch=200 species per-epoch=400 linnaeus per-epoch=60 \
  bioid per-epoch=600 --dev-corpus biored:dev --teacher "$RUNS/teacher" \
  --lines --texts "$RUNS/abstracts.jsonl" "$RUNS/clinical.jsonl" "$RUNS/learned.txt" --temperature 1 --epochs 3 --lr 3e-4 \
  --pruned 0.5 --dropout 0 --out "$RUNS/model" --resume

stage decoder --model "$RUNS/model" --corpus biored:six --dev-corpus biored:dev

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
