"""How the demo looks: system fonts only, restrained, light and dark, down to 320 px."""

from __future__ import annotations

from typing import Any

import gradio as gr

CSS = """
:root { --faded: var(--neutral-500); --warning: #b45309; }
.dark { --faded: var(--neutral-400); --warning: #fbbf24; }

.card h3 { margin: 0; font-family: var(--font-mono); }
.card .about { margin: 0; min-height: 2lh; color: var(--faded); font-size: var(--text-sm); }
.card .latency { margin: .5rem 0; }
.card .latency strong { font-size: 1.5rem; margin-right: .25rem; white-space: nowrap; }
.card .slower { color: var(--warning); font-weight: 600; }
.card dl { margin: 0; font-size: var(--text-sm); }
.card dl > div { display: flex; gap: .75rem; padding: .2rem 0; border-top: 1px solid var(--border-color-primary); }
.card dt { flex: 0 0 40%; color: var(--faded); }
.card dd { margin: 0; flex: 1; min-width: 0; }
.card details { font-size: var(--text-sm); overflow-wrap: anywhere; }
.card ul { list-style: none; margin: 0; padding: 0; }
.conditions, .footer { color: var(--faded); font-size: var(--text-sm); margin: 0; }
.footer { text-align: center; }
.notice { border-left: 4px solid var(--warning); padding: .5rem .75rem; margin: 0; }

/* A grid, so that the texts of one row of panels begin at one height. */
.panels { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); }
.panels > .column { display: grid !important; grid-row: span 2; grid-template-rows: subgrid; align-items: start; }

.tokens { max-height: 40rem; overflow: hidden auto !important; }
.tokens .textfield { display: block; word-break: normal; overflow-wrap: anywhere; line-height: 1.75; }
.tokens .textfield { padding-bottom: .5rem; }
.tokens .line-break::before { content: "\\A"; white-space: pre; }
/* The component's markup has blanks between its spans: without width they do not show in the text. */
.tokens .token-container { font-size: 0; white-space: nowrap; }
.tokens .text, .tokens .token.highlighted:not(.transparent) { font-size: var(--text-md); }
.tokens .token.highlighted { margin: 0; cursor: default; }
.tokens .token .label { font-size: var(--text-xxs); font-weight: 600; text-transform: none; }
.tokens .token.highlighted:not(.transparent) { display: inline-block; line-height: 1.4; padding: 0 0 0 .2rem; }
.tokens .token.transparent { padding: 0 !important; outline: none !important; }
.left, .tokens .token.transparent .text { color: var(--faded); border-bottom: 1px dotted var(--faded); }
.tokens .token.transparent .label {
  display: none; position: absolute; top: .4rem; left: 0; z-index: 1; padding: .2rem .4rem; pointer-events: none;
  background: var(--neutral-900) !important; border: 1px solid var(--faded); color: white; font-size: var(--text-xs);
}
.tokens .token.transparent:hover .label { display: inline; }
"""

LAUNCH: dict[str, Any] = {
    "theme": gr.themes.Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
    ),
    "css": CSS,
    "footer_links": ["gradio", "settings"],
    "run_history": False,
}
