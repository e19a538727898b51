#!/usr/bin/env bash
# Confirms the operating points of chemicals-diseases on documents by which nothing was chosen. It runs once, with the weights and
# points that ship; its reports are published whatever comes out, and nothing is chosen by them. Written down before it
# ran: the default, entropy:balanced in 8 bits, is confirmed if on DrugProt it loses at most 0.5 pp of F1 against dense in
# float32 (95 %, one-sided). BioRED's test has too few documents to confirm or refute that; it is reported beside. In the
# root of a checkout, nothing else running:
#
#   DRUGPROT=FILE bash docs/confirmation/make.sh
#
# DRUGPROT holds 550 abstracts of DrugProt's development part with their chemicals, as PubTator. BioRED's test is
# downloaded; its documents that are also in BC5CDR or NCBI-disease are left out. No text of either stands among those
# that teach or choose, but for one sentence of DrugProt, from which only earlier weights learned.
set -euo pipefail

measure() {
  python -m eval.report --strategies dense,entropy:careful,entropy,entropy:fast --dtype float32,int8 --batch-size 1 --timed 60 \
    --baselines hf-pipeline "$@"
}
measure --corpus "$DRUGPROT" --types Chemical --out docs/confirmation/drugprot
measure --corpus biored --types Chemical,Disease --out docs/confirmation/biored-test \
  --leave-out bc5cdr:train,bc5cdr:dev,bc5cdr:test,ncbi-disease:train,ncbi-disease:dev,ncbi-disease:test
