"""The tab Reports in a real browser: with pointer, keyboard, phone, light and dark theme."""

import pytest

pytestmark = pytest.mark.slow

FAST = ".marks button[data-strategy=entropy][data-point=fast]"
SHOWN = ".marks .tip:visible"


def test_the_pointer_shows_the_figures_of_a_mark(open_page):
    page = open_page(at="Reports")
    assert page.locator(SHOWN).count() == 0
    page.locator(FAST).hover()
    page.locator(SHOWN).wait_for()
    text = page.locator(SHOWN).inner_text()
    for part in ("entropy:fast", "F1 against dense", "speed-up", "gates", "Click to try it on the text."):
        assert part in text
    assert page.locator(SHOWN).evaluate("tip => tip.scrollHeight <= tip.clientHeight")  # nothing sticks out of the box
    tip, mark = page.locator(SHOWN).bounding_box(), page.locator(FAST).bounding_box()
    assert tip["y"] < mark["y"] + mark["height"]  # beside the mark
    assert mark["y"] < tip["y"] + tip["height"]
    page.mouse.move(0, 0)
    page.locator(SHOWN).wait_for(state="detached")


def test_the_keyboard_does_what_the_pointer_can(open_page):
    page = open_page(at="Reports")
    page.mouse.move(0, 0)  # a mark that scrolls under the pointer would show its card
    on_a_mark = "document.activeElement.matches('.marks button')"
    page.locator(".marks button[tabindex='0']").focus()
    page.keyboard.press("Shift+Tab")
    assert not page.evaluate(on_a_mark)  # all marks are one tab stop
    page.keyboard.press("Tab")
    assert page.evaluate(on_a_mark)
    page.keyboard.press("Home")
    seen = []
    for _ in range(page.locator(".marks button").count()):
        seen.append(page.evaluate("document.activeElement.getAttribute('aria-label')"))
        assert seen[-1].startswith(page.locator(f"{SHOWN} strong").inner_text())
        page.keyboard.press("ArrowRight")
    assert len(set(seen)) == len(seen)  # each exactly once
    page.keyboard.press("Escape")
    assert page.locator(SHOWN).count() == 0


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_mark_tries_its_settings_on_the_text(open_page, how):
    page = open_page(at="Reports")
    assert not page.get_by_label("fast", exact=True).is_checked()
    if how == "click":
        page.locator(FAST).click()
    else:
        page.locator(FAST).press(how)
    page.wait_for_function("[...document.querySelectorAll('input[value=fast]')].some((one) => one.checked)")
    page.locator(f"{FAST}.current").wait_for()
    page.get_by_role("tab", name="Compare").click()
    page.locator(".card", has_text="entropy").filter(has_text="fast").wait_for(timeout=60_000)


def test_another_batch_size_has_marks_and_figures_of_its_own(open_page):
    page = open_page(at="Reports")
    page.get_by_role("tabpanel").get_by_label("32", exact=True).check()
    page.get_by_text("Batch size: 32.").wait_for()
    assert page.locator(".marks button").count() > 5
    assert page.locator(".figures tbody tr").count() == page.locator(".marks button").count()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_the_figures_stand_below_the_marks(open_page, theme):
    page = open_page(theme, width=390, at="Reports")
    page.locator(FAST).focus()
    box, area = page.locator(SHOWN).bounding_box(), page.locator(".plot-area").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] >= area["y"] + area["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
