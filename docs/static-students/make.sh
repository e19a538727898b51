#!/usr/bin/env bash
# Trains what adaptive exits must beat, cut networks without exits, and measures everything in one run. Started again,
# it goes on where it was stopped. In the root of a checkout, about three hours on two cores, nothing else running:
#
#   TEXTS=FOLDER RUNS=FOLDER TEACHING=FOLDER bash docs/static-students/make.sh
#
# TEXTS holds the unlabelled texts (weights/minilm-l6-bc5cdr/README.md says which), TEACHING is what that folder's
# make.sh leaves: the teacher, and the weights with which it began. All students learn from the same annotations and
# texts. student-3 and student-4 begin where the shipped weights ended, so they have all their steps and two epochs
# more; their teacher is the full pass of the shipped weights. further-4 and further-3 begin there, too, and learn from
# the shipped weights' own teacher; the F1 of further-3 on `calib` is too low to measure it on test. mpnet-4 learns from
# that one as well, from the weights and in the steps of the shipped ones.
set -euo pipefail

shipped=weights/minilm-l6-bc5cdr
mkdir -p "$RUNS"

sentences() { # joined to texts as long as abstracts, one a line
  gunzip -c "$TEXTS/medline_sentences.txt.gz" | sed -n "$1" |
    awk '{ text = text sep $0; sep = " "; words += NF } words >= 200 { print text; text = sep = ""; words = 0 }
         END { if (text) print text }'
}
sentences 1,15000p > "$RUNS/learned.txt"
sentences 60011,66010p > "$RUNS/new.txt"
gunzip -c "$TEXTS/clinical_abstracts.jsonl.gz" > "$RUNS/clinical.jsonl"

learn() {
  python -m engine.training.finetune --plain --corpus bc5cdr:fit ncbi-disease:train biored:fit --soft-share 2 --dropout 0 \
    --lines --resume "$@"
}
further() { # layers, teacher, folder
  learn --layers "$1" --backbone $shipped --teacher "$2" --temperature 1 --epochs 2 --lr 1.5e-4 --out "$3" \
    --texts "$RUNS/clinical.jsonl" "$RUNS/learned.txt" "$RUNS/new.txt"
}
further 3 $shipped "$RUNS/student3"
further 4 $shipped "$RUNS/student4"
further 4 "$TEACHING/teacher" "$RUNS/further4"
further 3 "$TEACHING/teacher" "$RUNS/further3"
learn --layers 4 --backbone "$TEACHING/weights/minilm-l6-bc5cdr" --teacher "$TEACHING/teacher" --temperature 1 \
  --epochs 2 --lr 2e-4 --out "$RUNS/distilled4" --texts "$RUNS/clinical.jsonl" "$RUNS/learned.txt"
learn --layers 4 --backbone "$RUNS/distilled4" --teacher "$TEACHING/teacher" --epochs 1 --lr 1.5e-4 \
  --out "$RUNS/mpnet4" --texts "$RUNS/new.txt"

python -m eval.report --corpus bc5cdr --split test --threads 2 --dtype int8 --timed 160 \
  --strategies dense,entropy,truncate-3,truncate-4 \
  --others "$RUNS/student3,$RUNS/student4,$RUNS/mpnet4,$RUNS/further4" \
  --baselines hf-pipeline,openvino-int8,openvino-int8=truncate-3,openvino-int8=truncate-4 --out "$RUNS/report"
