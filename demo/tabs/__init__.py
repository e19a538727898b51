"""One module for each tab."""
