"""What the pages say exists: commands, the file tree, a Space."""

import re
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from engine.__main__ import COMMANDS
from engine.models.families import FAMILIES
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.settings import settings_of

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "weights").glob("*/README.md")]
OF_TODAY = ("confirmation", "other-checkpoints", "static-students")  # another one has the commands of its commit
SCRIPTS = [*(ROOT / "docs" / name / "make.sh" for name in OF_TODAY), *(ROOT / "weights").glob("*/make.sh")]


@pytest.mark.parametrize("page", [*PAGES, *SCRIPTS], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_option_of_a_command_is_one_that_it_has(page, capsys):
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    if page.suffix == ".sh":
        text = re.sub(r"\bstage (?=\w)", "python -m engine.training.", text)  # as scripts abbreviate it
    commands = re.findall(r"python -m ((?:engine|eval|demo)[\w.]*\w)([^`\n#]*)", text)
    commands += [(COMMANDS[name][0], options) for name, options in re.findall(r"bioner ([a-z][a-z-]*)([^`\n#]*)", text)]
    for module, arguments in commands:
        command = import_module(module)
        command = import_module(f"{module}.__main__") if hasattr(command, "__path__") else command
        with pytest.raises(SystemExit):
            command.main(["--help"])
        options = re.findall(r"--[\w-]+", capsys.readouterr().out)
        assert set(re.findall(r"(?<= )--[\w-]+", arguments)) <= set(options), module


def anchors(page):
    """What links to a page may name after ``#``: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"\]\([^)]*\)|[^\w\s-]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / "docs" / "lab").glob("*.md")], ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    dead = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8")):
        to = (page.parent / target).resolve() if target else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            dead.append(f"{target}#{anchor}")
    assert dead == []


def test_the_table_of_types_in_the_readme_has_the_f1_of_the_reports():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in readme.splitlines() if line[:2] == "| "]
    cells = {name.split(":")[0].split(",")[0]: values for name, *values in rows if len(values) == 4}
    types = {"diseases": "Disease", "chemicals": "Chemical", "genes": "Gene", "species": "Species"}
    types |= {"variants": "Variant", "cell lines": "CellLine", "all": "all"}
    default = pd.read_csv(ROOT / "docs" / "bc5cdr-test" / "subgroups.csv")
    default = default[(default["variant"] == "entropy:balanced") & (default["dimension"] == "type")]
    unseen = pd.read_csv(ROOT / "docs" / "biored-test-six" / "unseen.csv").rename(columns={"type": "group"})
    for column, rows in ((0, default), (2, unseen)):
        table = rows.set_index("group")["f1"]
        shown = {row: cells[row][column] for row, group in types.items() if group in table}
        assert shown == {row: f"{table[types[row]]:.3f}".removeprefix("0") for row in shown}


def test_the_file_tree_shows_every_package_and_the_walks_name_what_exists():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"## Packages\n+```\n(.+?)```", page, re.DOTALL)
    shown, above = set(), []
    for indent, name in re.findall(r"^( *)(\w+)/\s", tree, re.MULTILINE):
        above = [*above[: len(indent) // 2], name]
        shown.add(Path(*above))
    packages = ("engine", "eval", "demo")
    folders = [path for package in packages for path in (ROOT / package).rglob("*") if path.is_dir()]
    expected = {path.relative_to(ROOT) for path in folders if path.name != "__pycache__"}
    assert shown == expected | set(map(Path, (*packages, "weights", "tests", "docs")))
    walks = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Walk 1")[2]
    names = re.findall(r"`((?:app|engine|eval|demo)\.(?!py`)[\w.]+)`", walks)
    assert len(names) > 20
    for name in names:
        resolve_name(name)
    tests = re.findall(r"`(tests/[\w/.]+)`", page)
    assert len(tests) > 40
    assert [path for path in tests if not (ROOT / path).exists()] == []


def test_every_strategy_setting_and_encoder_family_is_listed():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    settings = {setting.name for part in (Strategy, Recovery, *CONTROLLERS.values()) for setting in settings_of(part)}
    rows = page.partition("| setting | of | meaning |\n")[2].partition("\n\n")[0].splitlines()[1:]
    explained = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows))
    assert settings - set(explained) == set()
    strategies, encoders = ((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("api.md", "training.md"))
    assert [kind for kind in CONTROLLERS if f"| `{kind}` |" not in strategies] == []
    assert [family for family in FAMILIES if f"`{family}`" not in encoders] == []


def test_citation_and_changelog_have_the_version_and_the_front_matter_of_a_space_the_requirements():
    front = dict(re.findall(r'^(\w+): "?([^"\n]+)"?$', (ROOT / "README.md").read_text().split("---")[1], re.MULTILINE))
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    (wanted,) = re.findall(r'requires-python = "(.+)"', (ROOT / "pyproject.toml").read_text())
    assert front["python_version"] in SpecifierSet(wanted)
    (gradio,) = re.findall(r"^gradio[^#\n]*", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert front["sdk_version"] in Requirement(gradio.strip()).specifier
    assert len(front["short_description"]) <= 60  # what the Hub allows
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {version} " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
