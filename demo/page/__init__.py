"""The page around the tabs: inputs, theme, links, the page shown while weights load."""
