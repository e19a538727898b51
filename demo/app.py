"""The demo: a page for each model, whose text stands side by side, coloured, with its ink."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from demo.api import build_api
from demo.code import as_commands, as_python
from demo.evidence import WHY, evidence, find_report, headline, publish
from demo.files import build_files
from demo.launch import KEEP_FILES_S, PRIVATE, QUEUE, Page
from demo.links import EXAMPLES, PageState, examples, finds, lesson, make_link, opening, page_of, read_link
from demo.markup import escape
from demo.run import MAX_CHARACTERS, REPLAY_SECONDS, REPLAYS, ROUNDS, SECONDS, run
from demo.settings import MAX_COLUMNS, TRIGGERS, offered, page_settings, plain_name, points
from demo.view import build_view, view
from engine import Engine, InputError
from engine.models.shipped import short_name
from engine.pruning.strategy_names import StrategyName

TITLE = "Find biomedical entities"
COMMON = "the of and in to with a for was were is by on after from not"  # words of English texts
FOOTER = "Research use only, not for clinical decisions."
# A text in the link, or else the one that a visitor left behind, unless the link names an example or a step of the lesson.
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
    settings = {setting.label: f"{value:g}" for setting, value in zip(page_settings(engine), page.values, strict=True)}
    facts = {"settings": settings, "link": make_link(engine, page), "own": page.text not in EXAMPLES.values()}
    return view(engine, columns, full, **facts | {"remark": remark(page.text)} | about)


def remark(text: str) -> str:
    """One sentence for a text that does not look English; empty for others."""
    words, common = text.lower().split(), set(COMMON.split())
    return "The model knows English alone." if len(words) > 12 and not common & set(words) else ""


def build_page(engine: Engine, demo: gr.Blocks, engines: Mapping[str, Engine]) -> None:
    """Builds the page of an engine inside the demo; ``engines``: those of all pages, by address."""
    report, first = find_report(engine), opening(engine)
    names = offered(engine)
    named = [(plain_name(name), name) for name in names]
    cut = next((name for name in names if StrategyName.parse(name).layer), None)
    gr.HTML(intro(engine, engines, headline(engine, report)), js_on_load=HOW)
    with gr.Row(elem_classes="bar"):
        play = gr.Button("▶ Play", variant="primary", elem_classes="play")
        add = gr.Button(f"+ {plain_name(cut or '')}" if cut else "", visible=cut is not None, elem_classes="add")
    with gr.Row(elem_classes="panels"):
        with gr.Accordion("Own text", open=False, elem_classes="own"):
            text = gr.Textbox(first.text, label="Text", lines=4, max_lines=9, max_length=MAX_CHARACTERS)
            tag = gr.Button("Tag", variant="primary", elem_classes="tag")
            shown_examples = examples(engine)
            example = gr.Dropdown(list(shown_examples), value=None, label="Or an example, invented", filterable=False)
        with gr.Accordion("Columns", open=False, visible=len(names) > 1, elem_classes="choice"):
            columns = gr.CheckboxGroup(named, value=list(first.columns), label=f"Up to {MAX_COLUMNS} columns")
        with gr.Accordion("Settings", open=False, elem_classes="settings", visible=engine.has_gates):
            stored = points(engine)
            point = gr.Radio(stored, value=first.point or None, label="Operating point", visible=bool(stored))
            triggers = [("preset", ""), *((name.replace("_", " "), name) for name in TRIGGERS)]
            trigger = gr.Dropdown(triggers, value="", label="Words come back at", visible=False, filterable=False)
            sliders = [
                gr.Slider(
                    *setting.range[:2],
                    value=value,
                    step=setting.range[2],
                    label=setting.label,
                    info=setting.info,
                    visible=setting.kind in first.columns,
                    buttons=["reset"],
                )
                for setting, value in page_settings(engine, first.point or None).items()
            ]
        steps = lesson(engine)
        with gr.Accordion("Lesson", open=False, visible=bool(steps), elem_classes="lesson"):
            titles = [(f"{number}. {title}", number) for number, (title, _) in enumerate(steps, 1)]
            step = gr.Radio(titles, show_label=False, container=False)
    shown_view = build_view(answer(engine, first))
    shown = gr.Dropdown(named, value=first.shown, label="Strategy", filterable=False, render=False)
    inputs: list[Any] = [text, columns, point, trigger, shown, *sliders]
    with gr.Tabs():
        with gr.Tab("Your files"):
            build_files(engines, engine, inputs)
        with gr.Tab("Use it"):
            shown.render()
            commands = gr.Code(language="shell", label="Commands", interactive=False, wrap_lines=True)
            python = gr.Code(language="python", label="Python", interactive=False, wrap_lines=True)
        with gr.Tab("Evidence"):
            gr.HTML(evidence(report, links := publish(engine, report)))
    about = [
        f'<a href="{links[title]}" target="_blank">{title}</a>' for title in ("README", "Source") if title in links
    ]
    gr.HTML(f'<p class="note">{" · ".join([FOOTER, *about])}</p>')

    def coded(*values: Any) -> list[Any]:
        page = page_of(*values)
        selected = page.selection(engine, page.shown)
        return [as_commands(engine, selected), as_python(engine, selected, page.text)]

    def moved(names: tuple[str, ...]) -> list[Any]:
        """Which settings the columns have."""
        kinds = {StrategyName.parse(name).kind for name in names}
        recovers = any(StrategyName.parse(name).recovers for name in names)
        visible = [recovers, *(setting.kind in kinds for setting in page_settings(engine))]
        return [gr.update(visible=value) for value in visible]

    def on_change(*values: Any) -> list[Any]:
        page = page_of(*values)
        return [answer(engine, page), list(page.columns), *moved(page.columns)]

    def on_point(*values: Any) -> list[Any]:
        page = page_of(*values)
        at_point = tuple(page_settings(engine, page.point or None).values())
        return [answer(engine, replace(page, values=at_point)), *at_point]

    def on_add(*values: Any) -> list[Any]:
        page = page_of(*values)
        kept = tuple(name for name in page.columns if name != cut)
        added = kept if cut in page.columns else (*kept[: MAX_COLUMNS - 1], cut or "")
        return [answer(engine, replace(page, columns=added)), list(added), *moved(added)]

    def on_play(*values: Any) -> dict[str, Any]:
        return answer(engine, page_of(*values), timed=(REPLAYS, REPLAY_SECONDS), play=True)

    def opened(page: PageState, **about: Any) -> list[Any]:
        """Sets the whole page."""
        values = [page.trigger, *page.values]
        visible = [update | {"value": value} for update, value in zip(moved(page.columns), values, strict=True)]
        return [answer(engine, page, **about), page.text, list(page.columns), page.point or None, *visible, page.shown]

    def on_open(kept: str, request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        if query.get("lesson", "").isdecimal() and 0 < int(query["lesson"]) <= len(steps):
            return on_step(int(query["lesson"]))
        page = read_link(engine, query)
        if kept:
            page = replace(page, text=kept[:MAX_CHARACTERS])
        return [gr.skip()] * (6 + len(sliders)) if page == first else opened(page)

    def on_step(number: int) -> list[Any]:
        title, query = steps[number - 1]
        return opened(read_link(engine, query), remark=title, explain=True)

    def on_example(name: str, *values: Any) -> list[Any]:
        page = page_of(shown_examples[name], *values[1:])
        return [answer(engine, page), page.text]

    everything = [shown_view, text, columns, point, trigger, *sliders, shown]
    changes = [tag.click, text.submit, columns.input, trigger.input, *(slider.input for slider in sliders)]
    gr.on(changes, on_change, inputs, [shown_view, columns, trigger, *sliders], **ANSWER)
    point.input(on_point, inputs, [shown_view, *sliders], **ANSWER)
    add.click(on_add, inputs, [shown_view, columns, trigger, *sliders], **ANSWER)
    play.click(on_play, inputs, shown_view, **ANSWER)
    example.input(on_example, [example, *inputs], [shown_view, text], **ANSWER)
    step.input(on_step, step, everything, **ANSWER)
    kept = gr.Textbox(visible="hidden")
    demo.load(on_open, kept, everything, js=KEPT, show_progress="hidden", **ANSWER)
    gr.on([demo.load, shown.change, shown_view.change], coded, inputs, [commands, python], **QUIET)
