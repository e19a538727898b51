#!/usr/bin/env bash
# Makes these weights; started again, it goes on where it was stopped. In the root of a checkout:
#
#   TEXTS=FOLDER RUNS=FOLDER bash weights/minilm-l6-six/make.sh
#
# TEXTS holds the unlabelled texts (README.md says which, with checksums), RUNS gets what the stages write. The student
# begins as the encoder of chemicals-diseases, with new label heads. Without a connection to the hub, TEACHER_BACKBONE
# names a local folder of the teacher's pretrained encoder.
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
  gunzip -c "$TEXTS/medline_sentences.txt.gz" | sed -n "$1" |
    awk '{ text = text sep $0; sep = " "; words += NF } words >= 200 { print text; text = sep = ""; words = 0 }
         END { if (text) print text }'
}
sentences 1,6000p > "$RUNS/learned.txt"
sentences '78501,$p' > "$RUNS/rest.txt"
gunzip -c "$TEXTS/six/abstracts.jsonl.gz" > "$RUNS/abstracts.jsonl"
gunzip -c "$TEXTS/clinical_abstracts.jsonl.gz" | head -400 > "$RUNS/clinical.jsonl"
gunzip -c "$TEXTS/six/held_back.jsonl.gz" > "$RUNS/held_back.jsonl"

learn() {
  stage finetune --corpus biored:six gnormplus nlm-gene tmvar bc5cdr:six per-epoch=600 ncbi-disease:six per-epoch=300 \
    species linnaeus per-epoch=150 bioid per-epoch=1000 --dev-corpus biored:dev --teacher "$RUNS/teacher" \
    --texts "$RUNS/abstracts.jsonl" "$RUNS/clinical.jsonl" "$RUNS/learned.txt" --temperature 1 --dropout 0 --resume "$@"
}
learn --backbone chemicals-diseases --epochs 3 --lr 3e-4 --pruned 0.3 --out "$RUNS/distilled"
learn --backbone "$RUNS/distilled" --epochs 1 --lr 1.5e-4 --pruned 0.7 --out "$RUNS/model"
