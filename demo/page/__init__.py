"""The page around the tabs: inputs, look, links, redrawing tabs, and the page served while weights load."""
