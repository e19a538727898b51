"""The page around the tabs: inputs, look, links, redrawing of tabs, and what is served while weights load."""
