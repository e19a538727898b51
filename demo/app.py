"""The demo: a page for each model, whose text stands side by side, coloured, with its ink."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from demo.api import build_api
from demo.code import as_commands, as_python
from demo.evidence import WHY, evidence, headline, own_report, publish
from demo.files import build_files
from demo.launch import KEEP_FILES_S, QUEUE, Page
from demo.links import EXAMPLES, SENTENCES, PageState, examples, lesson, make_link, opening, read_link
from demo.markup import escape
from demo.run import MAX_CHARACTERS, REPLAY_SECONDS, REPLAYS, ROUNDS, SECONDS, run
from demo.settings import MAX_COLUMNS, TRIGGERS, Selection, offered, page_settings, plain_name, points, select_strategy
from demo.view import build_view, view
from engine import Engine, InputError
from engine.models.shipped import SHIPPED, short_name
from engine.pruning.strategy_names import StrategyName

TITLE = "Find entities in biomedical text"
FINDS = dict(zip(SHIPPED, ("chemicals and diseases", "genes, variants and more"), strict=True))
COMMON = "the of and in to with a for was were is by on after from not"  # words of English texts
FOOTER = "Research use only, not for clinical decisions."
# A text in the link, or else the one that a visitor left behind, unless the link names an example or holds a bet.
KEPT = """() => {
  const [, text] = location.hash.match(/^#text=(.*)$/s) ?? [];
  if (text === undefined) {
    return /[?&](example|bet|lesson)=/.test(location.search) ? "" : sessionStorage.getItem("text") ?? "";
  }
  history.replaceState(null, "", location.pathname + location.search);
  try { return decodeURIComponent(text); } catch { return ""; }
}"""
HOW = """element.querySelector(".how").addEventListener("click", () => {
  const tab = [...document.querySelectorAll("[role=tab]")].find((other) => other.textContent.trim() === "Evidence");
  tab.click();
  tab.scrollIntoView();
});"""
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
ANSWER: dict[str, Any] = PRIVATE | {"trigger_mode": "always_last", "concurrency_id": "engine", "concurrency_limit": 4}


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


def intro(engine: Engine, engines: Mapping[str, Engine], said: str) -> str:
    """What the page is, in two sentences, and links to the pages of all engines, by address."""
    links = "".join(
        f'<a href="./{escape(address)}"{" aria-current=page" * (other is engine)}>{escape(finds(other))}</a>'
        for address, other in engines.items()
    )
    nav = f'<nav aria-label="What to find">{links}</nav>' if len(engines) > 1 else ""
    lead = escape(said).replace(escape(WHY), f'<span class="wide">{escape(WHY)}</span>')
    return (
        f'<header class="intro"><div class="title"><h1>{TITLE}{" faster" * engine.has_gates}</h1>{nav}</div>'
        f'<p class="lead">{lead} '
        '<button type="button" class="how">How was this measured?</button></p></header>'
    )


def finds(engine: Engine) -> str:
    """What an engine finds, in words."""
    types = engine.labels.types
    return FINDS.get(short_name(engine.source)) or (", ".join(types) if len(types) < 5 else f"{len(types)} types")


def answer(
    engine: Engine, page: PageState, *, timed: tuple[int, float] = (ROUNDS, SECONDS), **about: Any
) -> dict[str, Any]:
    """What the view draws for a page: the text under each column; or why there is nothing to draw."""
    try:
        columns, full = run(engine, page.text, [choice(engine, page, name) for name in page.columns], *timed)
    except InputError as error:
        return {"error": str(error)}
    settings = {setting.label: f"{value:g}" for setting, value in zip(page_settings(engine), page.values, strict=True)}
    said = {"settings": settings, "link": make_link(engine, page), "own": page.text not in EXAMPLES.values()}
    return view(engine, columns, full, **said | {"remark": remark(page.text)} | about)


def choice(engine: Engine, page: PageState, name: str) -> Selection:
    return select_strategy(engine, name, page.point or None, page.trigger or None, *page.values)


def remark(text: str) -> str:
    """One sentence for a text that does not look English; empty for others."""
    words, common = text.lower().split(), set(COMMON.split())
    return "The model knows English alone." if len(words) > 12 and not common & set(words) else ""


def bet_sentence(engine: Engine) -> str:
    """The first sentence of which few words, none of them punctuation, need the network longest; empty if none is."""
    for sentence in SENTENCES if engine.has_gates else ():
        result = engine.tag(sentence)
        layers = result.paths.layer
        longest = [word.text for word, layer in zip(result.trace.words, layers, strict=True) if layer == layers.max()]
        if len(longest) <= 3 and all(any(map(str.isalnum, word)) for word in longest):
            return sentence
    return ""


def build_page(engine: Engine, demo: gr.Blocks, engines: Mapping[str, Engine]) -> None:
    """Builds the page of an engine inside the demo; ``engines``: those of all pages, by address."""
    report, first, sentence = own_report(engine), opening(engine), bet_sentence(engine)
    names = offered(engine)
    of_names = [(plain_name(name), name) for name in names]
    cut = next((name for name in names if StrategyName.parse(name).layer), None)
    gr.HTML(intro(engine, engines, headline(engine, report)), js_on_load=HOW)
    with gr.Row(elem_classes="bar"):
        play = gr.Button("▶ Play", variant="primary", elem_classes="play")
        add = gr.Button(f"+ {plain_name(cut or '')}" if cut else "", visible=cut is not None, elem_classes="add")
        guess = gr.Button("Guess which word stays longest", visible=bool(sentence), elem_classes="guess")
    with gr.Row(elem_classes="panels"):
        with gr.Accordion("Own text", open=False, elem_classes="own"):
            text = gr.Textbox(
                first.text, label="Text", lines=4, max_lines=9, max_length=MAX_CHARACTERS, elem_classes="text-input"
            )
            tag = gr.Button("Tag", variant="primary", elem_classes="tag")
            shown_examples = examples(engine)
            example = gr.Dropdown(list(shown_examples), value=None, label="Or an example, invented", filterable=False)
        with gr.Accordion("Columns", open=False, visible=len(names) > 1, elem_classes="choice"):
            columns = gr.CheckboxGroup(
                of_names,
                value=list(first.columns),
                label=f"Up to {MAX_COLUMNS} columns",
            )
        with gr.Accordion("Settings", open=False, elem_classes="settings", visible=engine.has_gates):
            stored = points(engine)
            point = gr.Radio(stored, value=first.point or None, label="Operating point", visible=bool(stored))
            trigger = gr.Dropdown(
                [("preset", ""), *((name.replace("_", " "), name) for name in TRIGGERS)],
                value="",
                label="Words come back at",
                visible=False,
                filterable=False,
            )
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
            step = gr.Radio(
                [(f"{n}. {said}", n) for n, (said, _) in enumerate(steps, 1)], show_label=False, container=False
            )
    shown_view = build_view(answer(engine, first))
    shown = gr.Dropdown(of_names, value=first.shown, label="Strategy", filterable=False, render=False)
    settings: list[Any] = [point, trigger, shown, *sliders]
    with gr.Tabs():
        with gr.Tab("Your files"):
            build_files(engines, engine, [text, columns, *settings], page_of, finds)
        with gr.Tab("Use it"):
            shown.render()
            commands = gr.Code(language="shell", label="Commands", interactive=False, wrap_lines=True)
            python = gr.Code(language="python", label="Python", interactive=False, wrap_lines=True)
        with gr.Tab("Evidence"):
            gr.HTML(evidence(engine, report, links := publish(engine, report)))
    about = [
        f'<a href="{links[title]}" target="_blank">{title}</a>' for title in ("README", "Source") if title in links
    ]
    gr.HTML(f'<p class="note">{" · ".join([FOOTER, *about])}</p>')

    inputs = [text, columns, *settings]
    code = [commands, python]

    def coded(page: PageState) -> list[Any]:
        chosen = choice(engine, page, page.shown)
        return [as_commands(engine, chosen), as_python(engine, chosen, page.text)]

    def moved(names: tuple[str, ...]) -> list[Any]:
        """Which settings the columns have."""
        kinds = {StrategyName.parse(name).kind for name in names}
        recovers = any(StrategyName.parse(name).recovers for name in names)
        return [
            gr.update(visible=recovers),
            *(gr.update(visible=setting.kind in kinds) for setting in page_settings(engine)),
        ]

    def on_change(*values: Any) -> list[Any]:
        page = page_of(*values)
        return [answer(engine, page), list(page.columns), *moved(page.columns)]

    def on_point(*values: Any) -> list[Any]:
        page = page_of(*values)
        at_point = tuple(page_settings(engine, page.point or None).values())
        page = PageState(page.text, page.columns, page.point, page.trigger, page.shown, at_point)
        return [answer(engine, page), *at_point]

    def on_add(*values: Any) -> list[Any]:
        page = page_of(*values)
        kept = tuple(name for name in page.columns if name != cut)
        added = kept if cut in page.columns else (*kept[: MAX_COLUMNS - 1], cut or "")
        page = PageState(page.text, added, page.point, page.trigger, page.shown, page.values)
        return [answer(engine, page), list(added), *moved(added)]

    def on_play(*values: Any) -> dict[str, Any]:
        return answer(engine, page_of(*values), timed=(REPLAYS, REPLAY_SECONDS), play=True)

    def opened(page: PageState, **about: Any) -> list[Any]:
        """Sets the whole page."""
        visible = [
            gr.update(value=value, **update)
            for value, update in zip(
                [page.trigger, *page.values],
                ({"visible": update["visible"]} for update in moved(page.columns)),
                strict=True,
            )
        ]
        return [answer(engine, page, **about), page.text, list(page.columns), page.point or None, *visible, page.shown]

    def on_bet(friend: int | None = None) -> list[Any]:
        page = PageState(sentence, (engine.default_strategy,), first.point, "", first.shown, first.values)
        view_of_bet = answer(engine, page, bet=True, friend=friend)
        return [view_of_bet, *[gr.skip()] * (5 + len(sliders))]

    def on_open(kept: str, request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        if sentence and "bet" in query:
            return on_bet(
                int(query["bet"]) if query["bet"].isdecimal() and int(query["bet"]) < len(sentence.split()) else None
            )
        if query.get("lesson", "").isdecimal() and 0 < int(query["lesson"]) <= len(steps):
            return on_step(int(query["lesson"]))
        page = read_link(engine, query)
        if kept:
            page = PageState(kept[:MAX_CHARACTERS], page.columns, page.point, page.trigger, page.shown, page.values)
        return [gr.skip()] * (6 + len(sliders)) if page == first else opened(page)

    def on_step(number: int) -> list[Any]:
        said, query = steps[number - 1]
        return opened(read_link(engine, query), remark=said, explain=True)

    def on_example(name: str, *values: Any) -> list[Any]:
        page = page_of(shown_examples[name], *values[1:])
        return [answer(engine, page), page.text]

    everything = [shown_view, text, columns, point, trigger, *sliders, shown]
    changes = [tag.click, text.submit, columns.input, trigger.input, *(slider.input for slider in sliders)]
    gr.on(changes, on_change, inputs, [shown_view, columns, trigger, *sliders], **ANSWER)
    point.input(on_point, inputs, [shown_view, *sliders], **ANSWER)
    add.click(on_add, inputs, [shown_view, columns, trigger, *sliders], **ANSWER)
    play.click(on_play, inputs, shown_view, **ANSWER)
    guess.click(on_bet, None, everything, **ANSWER)
    example.input(on_example, [example, *inputs], [shown_view, text], **ANSWER)
    shown_view.abstract(lambda: opened(first), None, everything, **ANSWER)
    step.input(on_step, step, everything, **ANSWER)
    kept = gr.Textbox(visible="hidden")
    demo.load(on_open, kept, everything, js=KEPT, show_progress="hidden", **ANSWER)
    gr.on(
        [demo.load, shown.change, shown_view.change],
        lambda *values: coded(page_of(*values)),
        inputs,
        code,
        show_progress="hidden",
        queue=False,
        trigger_mode="always_last",
        **PRIVATE,
    )


def page_of(text: str, columns: list[str], point: str | None, trigger: str, shown: str, *values: float) -> PageState:
    """The page with these values of its components; of too many columns, the first and the latest."""
    chosen = columns if len(columns) <= MAX_COLUMNS else [columns[0], *columns[1 - MAX_COLUMNS :]]
    return PageState(text, tuple(chosen), point or "", trigger or "", shown, tuple(values))
