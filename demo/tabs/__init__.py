"""The tabs in page order. A tab is a module here with a ``LABEL`` and a function ``build(engine, inputs, tab)``."""

from demo.tabs import code, compare, evidence, watch, why, your_files

TABS = (watch, compare, your_files, code, why, evidence)
