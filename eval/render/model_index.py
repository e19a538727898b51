"""What a report adds to the metadata of a model card: results under ``model-index``, which the hub shows."""

from textwrap import indent

from huggingface_hub import EvalResult
from huggingface_hub.repocard_data import eval_results_to_model_index
from huggingface_hub.utils import yaml_dump

from eval.render.folder import ReportFolder
from eval.render.summary import default

# Corpora on the hub: their id, and what they are called.
DATASETS = {
    "bc5cdr": ("bigbio/bc5cdr", "BC5CDR"),
    "ncbi-disease": ("bigbio/ncbi_disease", "NCBI-disease"),
    "biored": ("bigbio/biored", "BioRED"),
}
METRICS = ("f1", "precision", "recall")


def results(report: ReportFolder) -> str:
    """The figures of the default strategy, or of dense if the report lacks it, as an entry of a list in YAML."""
    row = default(report) or report.dense
    identifier, name = DATASETS.get(row["corpus"], (row["corpus"], row["corpus"]))
    found = [
        EvalResult(
            task_type="token-classification",
            task_name="Named entity recognition",
            dataset_type=identifier,
            dataset_name=name,
            dataset_split=row["split"],
            metric_type=metric,
            metric_value=round(row[metric], 4),
            metric_name=f"{metric} of exact entities, {row['variant']}, {row['dtype']}",
        )
        for metric in METRICS
    ]
    (model,) = eval_results_to_model_index("model", found)
    return indent(str(yaml_dump(model["results"])), "  ")
