"""The first minute in a real browser: a bet on a word, with pointer, keyboard and on a phone, or none."""

import re

import pytest

from demo.tabs.watch.race import END_S
from tests.demo.browsing import (
    DESK,
    LAPTOP,
    PHONE,
    WORK_MS,
    serious_violations,
    wait_until,
)

pytestmark = pytest.mark.slow

CLOCK = """() => [...document.querySelectorAll(".race svg")].filter((one) => one.clientHeight)[0].getCurrentTime()"""


@pytest.fixture
def open_bet(open_page):
    """The page as a newcomer finds it."""
    return lambda *arguments, query="", **settings: open_page(*arguments, query=query, **settings)


def bet(page, word):
    page.locator(".bet .word", has_text=word).click()
    page.locator(".bet[data-told]").wait_for(timeout=WORK_MS)


def said(page):
    return page.locator(".bet .replies p[data-word]:visible").inner_text()


@pytest.mark.parametrize(("size", "theme"), [(PHONE, "light"), (LAPTOP, "dark")])
def test_one_tap_runs_the_race_fades_words_and_shows_entities_and_another_opens_why(open_bet, size, theme):
    page = open_bet(size, theme, timed=True, reduced_motion="no-preference")
    for part in (".intro .claim", ".bet .sentence", ".text-input textarea", ".answer .headline"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= size[1], part
    assert page.evaluate(CLOCK) == 0, "the race waits for the bet"
    places = [word.bounding_box() for word in page.locator(".bet .word").all()]
    bet(page, "morphine")
    assert [word.bounding_box() for word in page.locator(".bet .word").all()] == places, (
        "nothing moves under the finger"
    )
    assert re.match(r"You said morphine: it left after layer \d\. 3 words went on to layer 5, where", said(page))
    assert page.locator(".bet .word[data-colour]").all_inner_texts() == ["morphine", "nausea"]
    last = page.locator(".bet .word[data-last]").all_inner_texts()
    assert all(word in said(page) for word in last)
    page.locator(".race svg:visible").scroll_into_view_if_needed()
    page.wait_for_function(f"() => ({CLOCK})() > 0")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert serious_violations(page, context={"include": [[".bet"]]}) == []
    page.locator(".bet .word", has_text=last[0]).click()
    page.locator(".why .detail h4", has_text=f"{last[0]}: exited after layer 5").wait_for(timeout=WORK_MS)


def test_by_keyboard_the_sentence_is_one_stop_in_which_arrows_move_and_enter_bets(open_bet):
    page = open_bet(DESK)
    page.locator(".bet .skip").focus()
    page.keyboard.press("Tab")
    for key, word in (("ArrowRight", "kept"), ("End", "nausea"), ("Home", "Coffee")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.textContent") == word
    page.keyboard.press("Enter")
    page.locator(".bet[data-told]").wait_for()
    assert said(page).startswith("You said Coffee, rightly: it went on to layer 5")
    page.keyboard.press("Enter")
    page.locator(".why .detail h4", has_text="Coffee: ").wait_for(timeout=WORK_MS)
    page.locator(".why .word").first.focus()
    page.keyboard.press("ArrowRight")
    page.locator(".why .detail h4", has_text="kept: ").wait_for()


def test_skipped_it_leaves_the_screen_and_the_race_to_the_result(open_bet):
    page = open_bet(PHONE, timed=True)
    page.get_by_role("button", name="Skip").click()
    assert page.locator(".bet").is_hidden()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "tab"
    assert page.evaluate(CLOCK) == END_S, "motion is reduced here"
    for part in (".intro .claim", ".text-input textarea", ".answer .headline", ".race .play"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= PHONE[1], part
    page.locator(".settings > button").click()
    page.get_by_label("fast", exact=True).check()
    page.locator(".answer[data-state=done]", has_text="entropy:fast").wait_for(timeout=WORK_MS)
    assert page.locator(".bet").is_hidden(), "other settings do not bring it back"


def test_a_link_holds_the_bet_and_asks_a_friend(open_bet):
    page = open_bet(permissions=["clipboard-read", "clipboard-write"])
    bet(page, "morphine")
    page.get_by_role("button", name="I missed it; can you?").click()
    page.get_by_text("It holds the settings and your bet.").wait_for(timeout=WORK_MS)
    link = page.evaluate("navigator.clipboard.readText()")
    (friend := page.context.new_page()).goto(link)
    asked = friend.locator(".bet .question")
    asked.get_by_text("Who sent you this link said morphine and missed it; can you find it?").wait_for(timeout=WORK_MS)
    bet(friend, "kept")
    assert "rightly" in said(friend)
    wait_until(friend, "done")
