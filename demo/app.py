"""The demo: a page for each model, whose text stands side by side, coloured, with its ink."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from demo.api import build_api
from demo.code import ADDRESS, as_commands, as_python
from demo.controls import Controls
from demo.evidence import WHY, evidence, find_report, headline, publish
from demo.files import build_files
from demo.launch import KEEP_FILES_S, PRIVATE, QUEUE, Page
from demo.links import EXAMPLES, PageState, finds, make_link, opening, read_link
from demo.markup import escape
from demo.run import MAX_CHARACTERS, REPLAY_SECONDS, REPLAYS, ROUNDS, SECONDS, run
from demo.view import build_view, view
from engine import Engine, InputError
from engine.models.shipped import short_name

TITLE = "Find biomedical entities"
FOOTER = "Research use only, not for clinical decisions. The examples are invented."
# A text in the link, or else the one that a visitor left behind, unless the link names an example or a step.
KEPT = """() => {
  const [, text] = location.hash.match(/^#text=(.*)$/s) ?? [];
  if (text === undefined) {
    return /[?&](example|lesson)=/.test(location.search) ? "" : sessionStorage.getItem("text") ?? "";
  }
  history.replaceState(null, "", location.pathname + location.search);
  try { return decodeURIComponent(text); } catch { return ""; }
}"""
HOW = """element.querySelector(".how").addEventListener("click", () => {
  const tab = [...document.querySelectorAll("[role=tab]")].find((other) => other.textContent.trim() === "Evidence");
  tab.click();
  tab.scrollIntoView();
});"""
ANSWER: dict[str, Any] = PRIVATE | {"trigger_mode": "always_last", "concurrency_id": "engine", "concurrency_limit": 4}
QUIET = PRIVATE | {"show_progress": "hidden", "queue": False, "trigger_mode": "always_last"}


def build_demo(first: Engine, *others: Engine) -> gr.Blocks:
    """Builds the demo of one engine or more; launch it with ``demo.launch.LAUNCH``.

    Each has its own page: the first one at the root, any other at the short name of its weights.
    """
    further = {short_name(engine.source): engine for engine in others}
    engines = {"": first} | further
    with Page(title=TITLE, analytics_enabled=False, delete_cache=(KEEP_FILES_S, KEEP_FILES_S)) as demo:
        build_page(first, demo, engines)
        build_api([first, *others])
    for address, engine in further.items():
        with demo.route(address, address, show_in_navbar=False):
            build_page(engine, demo, engines)
    return demo.queue(**QUEUE)


def intro(engine: Engine, engines: Mapping[str, Engine], lead: str) -> str:
    """What the page is, in two sentences, and links to the pages of all engines, by address."""
    links = "".join(
        f'<a href="./{escape(address)}"{" aria-current=page" * (other is engine)}>{escape(finds(other))}</a>'
        for address, other in engines.items()
    )
    nav = f'<nav aria-label="What to find">{links}</nav>' if len(engines) > 1 else ""
    lead = escape(lead).replace(escape(WHY), f'<span class="wide">{escape(WHY)}</span>')
    return (
        f'<header class="intro"><div class="title"><h1>{TITLE}{" faster" * engine.has_gates}</h1>{nav}</div>'
        f'<p class="lead">{lead} '
        '<button type="button" class="how">How was this measured?</button></p></header>'
    )


def answer(
    engine: Engine, page: PageState, *, timed: tuple[int, float] = (ROUNDS, SECONDS), **about: Any
) -> dict[str, Any]:
    """What the view draws for a page: the text under each column; or why there is nothing to draw."""
    try:
        columns, full = run(engine, page.text, [page.selection(engine, name) for name in page.columns], *timed)
    except InputError as error:
        return {"error": str(error)}
    facts = {"link": make_link(engine, page), "own": page.text not in EXAMPLES.values()}
    return view(engine, columns, full, **facts | about)


def build_page(engine: Engine, demo: gr.Blocks, engines: Mapping[str, Engine]) -> None:
    """Builds the page of an engine inside the demo; ``engines``: those of all pages, by address."""
    report = find_report(engine)
    gr.HTML(intro(engine, engines, headline(engine, report)), js_on_load=HOW)
    controls = Controls(engine)
    texts = build_view(answer(engine, opening(engine)))
    with gr.Tabs(elem_classes="more"):
        with gr.Tab("Your files"):
            build_files(engines, engine, controls)
        with gr.Tab("Use it"):
            controls.shown.render()
            commands = gr.Code(language="shell", label="Commands", interactive=False, wrap_lines=True)
            python = gr.Code(language="python", label="Python", interactive=False, wrap_lines=True)
        with gr.Tab("Evidence"):
            links = [f'<a href="{at}" target="_blank">{title}</a>' for title, at in publish(engine, report).items()]
            gr.HTML(" · ".join(links))
            gr.Markdown(evidence(report), elem_classes="evidence")
    gr.HTML(f'<p class="note">{FOOTER}</p>')

    def coded(values: Mapping[Any, Any], request: gr.Request) -> dict[Any, str]:
        page = controls.read(values)
        selected, address = page.selection(engine, page.shown), request.headers.get("origin", ADDRESS)
        return {commands: as_commands(engine, selected), python: as_python(engine, selected, page.text, address)}

    connect(engine, demo, controls, texts)
    gr.on([demo.load, controls.shown.change, texts.change], coded, controls.inputs, {commands, python}, **QUIET)


def connect(engine: Engine, demo: gr.Blocks, controls: Controls, texts: gr.HTML) -> None:
    """Draws the texts anew whenever a control is used or a link opens the page."""
    first, steps = opening(engine), controls.steps

    def draw(page: PageState, values: Mapping[Any, Any] | None = None, **about: Any) -> dict[Any, Any]:
        return {texts: answer(engine, page, **about), **controls.show(page, values)}

    def on_change(values: Mapping[Any, Any]) -> dict[Any, Any]:
        return draw(controls.read(values), values, corrected=controls.corrected(values))

    def on_point(values: Mapping[Any, Any]) -> dict[Any, Any]:
        return draw(replace(controls.read(values), values={}), values)

    def on_example(values: Mapping[Any, Any]) -> dict[Any, Any]:
        return draw(replace(controls.read(values), text=controls.examples[values[controls.example]]), values)

    def on_play(values: Mapping[Any, Any]) -> dict[Any, Any]:
        return draw(controls.read(values), values, timed=(REPLAYS, REPLAY_SECONDS), play=True)

    def on_step(number: int, move: int = 0, **about: Any) -> dict[Any, Any]:
        number = min(max(number + move, 1), len(steps))
        page = read_link(engine, steps[number - 1][1])
        return draw(page, explain=True, link=f"?lesson={number}", **about) | controls.show_step(number)

    def on_open(kept: str, request: gr.Request) -> dict[Any, Any]:
        query = dict(request.query_params)
        if steps and query.get("lesson", "").isdecimal():
            return on_step(int(query["lesson"]), opened=True)
        page = read_link(engine, query)
        page = replace(page, text=kept[:MAX_CHARACTERS]) if kept else page
        return {texts: gr.skip()} if page == first else draw(page, opened=True)

    def listen(start: Any, act: Any, inputs: Any = controls.inputs, **settings: Any) -> None:
        gr.on(start, act, inputs, {texts, *controls.outputs}, **ANSWER, **settings)

    moved = [slider.input for slider in controls.sliders.values()]
    listen([controls.tag.click, controls.columns.input, controls.trigger.input, *moved], on_change)
    listen(controls.point.input, on_point)
    listen(controls.example.input, on_example)
    listen(controls.play.click, on_play)
    listen(controls.lesson.select, on_step, controls.step)
    listen(controls.back.click, partial(on_step, move=-1), controls.step)
    listen(controls.next.click, partial(on_step, move=1), controls.step)
    listen(demo.load, on_open, gr.Textbox(visible="hidden"), js=KEPT, show_progress="hidden")
