"""The Gradio demo: builds the UI from an engine it is given, loads nothing."""
