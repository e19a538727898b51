"""The Gradio demo: builds the page and the HTTP API for an engine that it is given; loads nothing itself."""
