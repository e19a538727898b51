# Every target first sets up what it needs in .venv. To add an extra to it: .venv/bin/python -m pip install -e ".[NAME]";
# without -e, a copy of the sources replaces the link to this checkout. `make light` tags in an empty environment, with
# what `pip install .` brings alone. FUZZ: examples of each test of `make fuzz`.
PYTHON ?= python3
FUZZ ?= 5000
PY := .venv/bin/python
# Python compiles what it imports, once if it may keep that; to compile all 20,000 modules of the libraries takes a
# minute and a half.
unexport PYTHONDONTWRITEBYTECODE
INSTALL := $(PY) -m pip install --no-compile

.PHONY: app test slow fuzz lint format report light

app: .venv/ready-app
	$(PY) app.py

test: .venv/ready-dev
	$(PY) -m pytest -n auto --dist loadfile

slow: .venv/ready-dev
	$(PY) -m pytest -m slow

fuzz: .venv/ready-dev
	FUZZ=$(FUZZ) $(PY) -m pytest tests/fuzz -m "slow or not slow" --hypothesis-show-statistics

lint: .venv/ready-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

format: .venv/ready-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

report: .venv/ready-eval
	$(PY) -m eval.report

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready-%: pyproject.toml | .venv/bin/python
	$(INSTALL) -e ".[$*]"
	touch $@

light: | .venv/bin/python
	$(PYTHON) -m venv --clear .venv/light
	.venv/light/bin/python -m pip install --no-compile --quiet .
	cd .venv/light && echo "Famotidine-associated delirium." | bin/python -P -m engine.tag - | grep "delirium	Disease"
	! .venv/light/bin/python -c "import torch" 2>/dev/null
