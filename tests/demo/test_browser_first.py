"""The first screen and changes of settings, in a real browser, used as a person would use it."""

from urllib.parse import urljoin

import pytest

from demo.common.links import EXAMPLES, model_name
from tests.demo.browsing import DESK, PHONE, enter, run, tab, wait_until
from tests.demo.conftest import serving

pytestmark = pytest.mark.slow

SHORT = "Naloxone reverses the hypotension caused by clonidine."
LONG = " ".join([EXAMPLES["Long text"]] * 9)  # about 3,000 words


class TestFirstScreen:
    @pytest.mark.parametrize("size", [DESK, PHONE])
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_idea_text_answer_and_play_need_no_scrolling(self, open_page, size, theme):
        page = open_page(theme, *size)
        wait_until(page, "done")
        page.wait_for_timeout(500)
        width, height = size
        for part in (".intro h1", ".intro .how", ".text-input textarea", ".answer", ".layers .play"):
            box = page.locator(part).bounding_box()
            assert box["y"] >= 0, part
            assert box["y"] + box["height"] <= height, part
        assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_the_command_for_ones_own_model_leads_to_how_many_texts_and_how_long_it_takes(self, open_page, app_url):
        page = open_page("light", *DESK)
        own = page.locator(".intro .own")
        assert "accelerate CHECKPOINT --texts FILE --out FOLDER" in own.locator("code").first.inner_text()
        more = own.get_by_role("link", name="an hour")
        box = more.bounding_box()
        assert box["y"] + box["height"] <= DESK[1]
        assert "--minutes" in page.request.get(urljoin(app_url, more.get_attribute("href"))).text()

    def test_the_tour_opens_the_tab_that_it_shows(self, open_page):
        page = open_page(at="Compare")
        assert page.locator(".layers").is_hidden()
        page.get_by_role("button", name="Tour").click()
        page.locator(".tour .next").click()
        page.locator(".layers[data-toured]").wait_for()

    def test_a_term_is_explained_to_pointer_and_keyboard(self, open_page):
        page = open_page()
        term = page.locator(".intro .term").first
        term.focus()
        assert term.locator(".tip").is_visible()


class TestSettings:
    def test_a_text_typed_meanwhile_marks_everything_as_out_of_date_until_it_runs(self, open_page):
        page = open_page()
        wait_until(page, "done")
        enter(page, LONG)
        run(page)
        wait_until(page, "running")
        page.wait_for_timeout(300)  # until the text has been sent
        enter(page, SHORT)
        wait_until(page, "timing", "done")
        page.get_by_text("Out of date").wait_for()
        assert page.locator(".layers").evaluate("part => getComputedStyle(part).filter") == "grayscale(1)"
        page.get_by_label("Text", exact=True).press("Control+Enter")
        page.locator(".layers .words", has_text="clonidine").wait_for()
        wait_until(page, "timing", "done")
        assert not page.get_by_text("Out of date").is_visible()
        tab(page, "Compare")
        page.locator(".found", has_text="clonidine").first.wait_for()

    def test_a_view_of_an_earlier_text_looks_out_of_date_until_it_is_drawn_again(self, open_page):
        page = open_page()
        wait_until(page, "done")
        tab(page, "Why")
        page.locator(".why .detail h4").wait_for()
        shown = "getComputedStyle(document.querySelector('.why')).filter"
        assert page.evaluate(shown) == "none"
        page.evaluate(
            "() => { document.querySelector('.why').dataset.text = '0'; document.dispatchEvent(new Event('shown')); }"
        )
        assert page.evaluate(shown) == "grayscale(1)"
        enter(page, SHORT)
        run(page)
        page.locator(".why .words", has_text="clonidine").wait_for()
        wait_until(page, "timing", "done")
        assert page.evaluate(shown) == "none"

    def test_a_run_can_be_cancelled_and_only_then(self, open_page):
        page = open_page()
        wait_until(page, "done")
        cancel = page.locator("button.cancel")
        assert cancel.is_hidden()
        enter(page, LONG * 2)
        run(page)
        page.get_by_text("for this text").wait_for(timeout=60_000)
        cancel.click()
        wait_until(page, "cancelled")
        page.wait_for_timeout(12_000)  # longer than the run would have taken
        assert page.locator(".answer").get_attribute("data-state") == "cancelled"
        assert cancel.is_hidden()
        tab(page, "Compare")
        assert "cinnarizine" in page.locator(".found").first.text_content(), "the earlier text, as the answer says"
        enter(page, SHORT)
        run(page)
        page.locator(".found", has_text="clonidine").first.wait_for()

    def test_rapid_clicks_run_the_last_choice_and_then_nothing(self, open_page):
        page = open_page()
        wait_until(page, "done")
        tab(page, "Reports")  # it follows the settings too
        sent = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        for point in ("careful", "balanced", "fast", "careful"):
            page.get_by_label(point, exact=True).check()
        for _ in range(20):
            before = len(sent)
            page.wait_for_timeout(3000)
            if 0 < before == len(sent):
                break
        else:
            raise AssertionError("the page goes on sending requests")
        wait_until(page, "done")
        assert "careful" in page.locator(".answer").text_content()

    def test_the_strategy_shown_is_shared_by_the_tabs(self, open_page):
        page = open_page()
        page.get_by_label("dense", exact=True).check()
        page.wait_for_function("!document.querySelector('.layers .words .word[data-exit]')")
        tab(page, "Why")
        page.get_by_text("dense has no gates").wait_for()


def test_a_cut_text_says_so(open_page):
    page = open_page()
    box = page.get_by_label("Text", exact=True)
    box.fill("a " * 49_990)
    box.press("End")
    page.keyboard.insert_text("b " * 100)
    cut = page.get_by_text("The text was cut at 100,000 characters")
    cut.wait_for()
    page.get_by_role("button", name="Few entities").click()
    cut.wait_for(state="hidden")


def test_a_model_without_gates_promises_no_exits_and_its_command_names_it(browser, plain_engine):
    with serving(plain_engine) as app, browser.new_context() as context:
        page = context.new_page()
        page.goto(app.local_url)
        page.locator(".answer[data-state=done]").wait_for(timeout=60_000)
        text = page.locator(".intro").inner_text()
        assert f"accelerate {plain_engine.source} --texts" in text
        assert "exit" not in text
        assert "exit" not in page.locator(".answer").inner_text()
        for layer in ("0", "1"):
            page.locator(".layers input").fill(layer)
            assert "exit" not in page.locator(".layers").inner_text()


def test_another_model_keeps_text_and_theme(browser, engine, plain_engine):
    with serving(engine, plain_engine) as app, browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{app.local_url}?__theme=dark")
        page.locator(".answer[data-state=done]").wait_for(timeout=60_000)
        enter(page, SHORT)
        page.get_by_label("Model", exact=True).click()
        page.get_by_role("option", name=model_name(plain_engine)).click()
        page.wait_for_url("**float32?*")
        page.locator(".answer[data-state=done]").wait_for(timeout=60_000)
        assert page.get_by_label("Text", exact=True).input_value() == SHORT
        assert page.locator("body.dark").count() == 1


def test_the_table_can_be_copied_and_downloaded(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"], at="Compare")
    page.get_by_text("All entities as a table").click()
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[0].split("\t")[0] == "strategy"
    assert len(copied.splitlines()) == 1 + page.locator(".entities tbody tr").count()
    with page.expect_download() as download:
        page.locator(".entities").get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "entities.csv"
