"""The cards of shipped models are what the hub reads: metadata, figures of the report, links that hold there."""

import json
import re

import pandas as pd
import pytest
from huggingface_hub import ModelCard
from safetensors import safe_open

from eval.figures import ROOT
from eval.render.folder import ReportFolder
from eval.render.summary import default

FOLDERS = [path.parent for path in sorted(ROOT.glob("weights/*/README.md"))]


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


def test_the_metadata_name_licence_language_base_model_data_and_examples(folder):
    data = ModelCard.load(folder / "README.md").data
    assert (data.license, data.language, data.library_name) == ("mit", "en", "transformers")
    assert data.pipeline_tag == "token-classification"
    assert data.base_model
    assert data.datasets
    assert data.to_dict()["widget"]


def test_the_hub_reads_the_figures_of_the_reports(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    rows = []
    for name, file in re.findall(r"# figures: (\S+)/(\S+).yaml", text):
        if file == "unseen":
            rows.append(pd.read_csv(ROOT / name / "unseen.csv").set_index("type").loc["all"])
        else:
            rows.append(default(ReportFolder(ROOT / name)))
    found = [(result.metric_type, result.metric_value) for result in ModelCard(text).data.eval_results]
    assert found == [(name, round(row[name], 4)) for row in rows for name in ("f1", "precision", "recall")] != []


def test_a_link_leads_into_the_folder_or_to_another_site(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]*)", text) if not link.startswith("https://")]
    assert [link for link in links if link and link not in {path.name for path in folder.iterdir()}] == []


def test_the_configuration_names_the_dtype_of_the_tensors(folder):
    with safe_open(folder / "model.safetensors", "numpy") as file:
        dtypes = {str(file.get_tensor(name).dtype) for name in file.keys() if "position_ids" not in name}  # noqa: SIM118
    assert dtypes == {json.loads((folder / "config.json").read_text())["dtype"]}
