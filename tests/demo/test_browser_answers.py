"""What the answer leads to, what is out of date, and settings that change nothing, in a real browser."""

import pytest

from tests.demo.browsing import DESK, PHONE, tab, wait_until

pytestmark = pytest.mark.slow

THRESHOLDS = "number input for entropy: max entropy, times the operating point's"
TARGET = 44  # pixels


def open_settings(page):
    """Opens both parts of the settings, and waits until Gradio, a frame later, has set their values once more."""
    page.get_by_role("button", name="More strategies").click()
    page.get_by_role("button", name="Pruning and recovery").click()
    page.get_by_label(THRESHOLDS).wait_for()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def run_example(page, name):
    page.get_by_role("button", name=name).click()
    wait_until(page, "running")
    wait_until(page, "done")


class TestAnswer:
    def test_its_words_open_why_there_with_the_strategy_of_the_line(self, open_page):
        page = open_page("light", *DESK)
        page.get_by_role("button", name="More strategies").click()
        page.get_by_label("truncate-3").first.check()
        run_example(page, "Long text")
        page.get_by_label("dense", exact=True).check()
        button = page.locator(".answer .to-word[data-strategy=truncate-3]").first
        word = button.inner_text().split()[0]
        button.click()
        heading = page.locator(".why .detail h4", has_text=f"{word}: ")
        heading.wait_for()
        box = heading.bounding_box()
        assert box["y"] + box["height"] <= DESK[1], "the explanation is in sight"
        assert page.locator(".why .word[aria-selected=true]").inner_text() == word
        assert page.get_by_label("truncate-3", exact=True).is_checked()

    @pytest.mark.parametrize(
        ("name", "view", "part"), [("Layer by layer", ".layers", ".pointed"), ("Why", ".why", ".detail h4")]
    )
    def test_the_views_mark_lost_entities_and_open_at_the_first_changed_one(self, open_page, name, view, part):
        page = open_page("light", *DESK)
        open_settings(page)
        run_example(page, "Long text")
        page.get_by_label(THRESHOLDS).fill("4")
        page.get_by_label(THRESHOLDS).press("Enter")
        page.locator(".answer .to-word.lost").first.wait_for()
        wait_until(page, "done")
        lost = page.locator(".answer .to-word.lost").count()
        assert lost > 0
        tab(page, name)
        marked = "([view, lost]) => document.querySelectorAll(`${view} .words [data-kind=lost]`).length === lost"
        page.wait_for_function(marked, arg=[view, lost])
        changed = page.locator(f"{view} .entity:not([data-kind=same]) .word").first
        page.locator(f"{view} {part}", has_text=f"{changed.inner_text()}: ").wait_for()
        assert page.locator(f"{view} {part}").bounding_box()["y"] < DESK[1]


class TestCompare:
    def test_texts_are_in_sight_cards_below_and_every_strategy_runs_three_times(self, open_page):
        page = open_page("light", *DESK, at="Compare")
        texts = page.locator(".found").first.bounding_box()
        assert texts["y"] + 200 <= DESK[1]
        assert texts["y"] < page.locator(".card").first.bounding_box()["y"]
        page.get_by_role("button", name="More strategies").click()
        page.get_by_text("at most 8").wait_for()
        page.get_by_label("truncate-3").first.check()
        page.locator(".card", has_text="truncate-3").wait_for()
        page.locator(".answer[data-state=done]").wait_for(timeout=60_000)
        assert all(int(text.split(" in ")[1].split()[0]) >= 3 for text in page.locator(".spread").all_inner_texts())
        assert page.locator(".summary tbody tr").count() == 3

    def test_the_threshold_hides_entities_in_texts_table_and_cards_and_says_how_many(self, open_page):
        page = open_page("light", *DESK, at="Compare")
        page.locator(".answer[data-state=done]").wait_for(timeout=60_000)
        page.get_by_text("All entities as a table").click()
        rows = page.locator(".entities tbody tr:visible").count()
        page.locator(".threshold input").fill("0.9")
        assert page.locator(".entities tbody tr:visible").count() < rows
        hidden = page.locator(".found .mark[data-below]").count()
        assert hidden > 0
        said = page.locator(".threshold output").inner_text()
        assert f"hides {hidden} of {page.locator('.found .mark').count()}" in said
        assert any(" of " in text for text in page.locator(".card [data-scores]").all_inner_texts())
        below = page.locator(".mark[data-below]").first
        for kind in ("same", "new", "changed", "lost"):
            below.evaluate("(mark, kind) => { mark.className = `mark ${kind}`; }", kind)
            assert below.evaluate("mark => getComputedStyle(mark).outlineStyle") == "none", kind
            assert below.evaluate("mark => getComputedStyle(mark).textDecorationLine") == "none", kind


def test_the_sample_runs_at_once_and_is_out_of_date_after_another_choice(open_page):
    page = open_page(at="Batch")
    page.get_by_role("button", name="Use the sample").click()
    page.get_by_text("30 of 30 documents tagged").wait_for(timeout=60_000)
    assert "sample.pubtator.txt, read as pubtator" in page.locator(".batch-result").first.inner_text()
    page.get_by_label("fast", exact=True).check()
    page.get_by_text("the file or the settings have changed").first.wait_for()
    old = page.locator(".batch-result:has(table)").first
    assert old.evaluate("part => getComputedStyle(part).filter") == "grayscale(1)"
    page.get_by_role("button", name="Tag the file").click()
    page.get_by_text("the file or the settings have changed").first.wait_for(state="hidden")


def test_settings_are_those_of_the_selected_strategies_and_change_what_exits(open_page):
    page = open_page()
    open_settings(page)
    slider = page.get_by_label(THRESHOLDS)
    slider.fill("0")
    slider.press("Enter")
    page.locator(".answer", has_text="max entropy 0").wait_for()
    assert page.get_by_text("rule: λ").is_hidden()
    page.get_by_text("Changes nothing here: no selected strategy brings words back.").wait_for()
    page.get_by_label("rule+recovery").first.check()
    page.get_by_text("rule: λ").wait_for()
    page.get_by_text("no selected strategy brings words back").wait_for(state="hidden")


def touch(page, selector, *, least):
    """Checks that everything visible that the selector finds is tall enough for a finger."""
    targets = [one for one in page.locator(selector).all() if one.is_visible()]
    assert len(targets) >= least, selector
    for target in targets:
        assert target.bounding_box()["height"] >= TARGET, target.evaluate("target => target.outerHTML")


def test_on_a_phone_the_idea_is_there_and_everything_can_be_touched(open_page):
    page = open_page("light", *PHONE)
    wait_until(page, "done")
    row = page.locator(".tab-container[role=tablist]").first
    assert row.evaluate("row => getComputedStyle(row).maskImage") != "none", "tabs beyond the edge are hinted at"
    page.locator(".settings > button").click()
    page.get_by_role("button", name="More strategies").click()
    page.get_by_role("button", name="Pruning and recovery").click()
    touch(page, ".buttons button, [role=tab], #examples .gallery-item, .intro .links :is(a, button)", least=10)
    touch(page, ".settings .label-wrap", least=3)
    touch(page, ".layers .transport :is(button, input), input[type=range]", least=3)
    tab(page, "Compare")
    page.get_by_text("All entities as a table").wait_for()
    touch(page, "summary, .answer .to-word", least=1)
    tab(page, "Reports")
    touch(page, ".marks button, summary", least=10)
    tab(page, "Why")
    table = page.locator(".why .all-words")
    table.wait_for()
    assert table.evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")
