"""The page in a real browser: what each visitor does, with pointer, keyboard and phone, light and dark."""

import csv
import re
from itertools import product

import pytest

from demo.files import SAMPLE
from demo.links import EXAMPLES
from tests.demo.browsing import (
    DESK,
    HOSTILE,
    LAPTOP,
    PHONE,
    SHORT,
    WORK_MS,
    assert_fits,
    assert_harmless,
    column,
    enter,
    serious_violations,
    tab,
    tag_files,
)

pytestmark = pytest.mark.slow

WORDS_SHOWN = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect(), { parentElement: at } = node;
    const right = Math.min(innerWidth, at.closest(".columns")?.getBoundingClientRect().right ?? innerWidth);
    const shown = box.width && box.top < innerHeight && box.left < right;
    const visible = at.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (shown && visible && !at.closest(".words, style, script, .visually-hidden, .sr-only")) {
      seen.push(...node.textContent.trim().split(/\\s+/).filter(Boolean));
    }
  }
  return seen;
}"""


# Texts of a column that begin or end outside it, or outside the window.
PAST_EDGE = """() => [...document.querySelectorAll(".view .column")].flatMap((column) => {
  const { left, right } = column.getBoundingClientRect(), range = document.createRange();
  return [...column.querySelectorAll("h2, dt, dd, .w, .entity")].filter((part) => {
    range.selectNodeContents(part);
    const edge = Math.min(right, innerWidth);
    return [...range.getClientRects()].some((box) => box.left < left - 1 || box.right > edge + 1);
  }).map((part) => part.textContent);
})"""


class TestFirstScreen:
    @pytest.mark.parametrize(("size", "most"), [(LAPTOP, 140), (PHONE, 80)])
    def test_the_text_is_there_coloured_without_a_tap_or_a_request_and_few_words_stand_beside_it(
        self, open_page, size, most
    ):
        page = open_page(size)
        exit_ = column(page, "Early exit")
        assert exit_.locator(".entity").count() == column(page, "All layers").locator(".entity").count() >= 15
        assert exit_.locator(".w").first.bounding_box()["y"] < size[1] * 0.75
        assert re.search(r"\d+ %\s", exit_.locator(".figures").inner_text().replace("\u00a0", " "))
        words = page.evaluate(WORDS_SHOWN)
        assert len(words) <= most, " ".join(words)
        assert_fits(page)

    def test_ink_is_darker_the_longer_a_word_stayed_and_names_have_a_bar_for_it(self, open_page):
        exit_ = column(open_page(), "Early exit")
        of_word = """words => words.map((word) =>
          [Number(word.className.match(/l(\\d)/)[1]), getComputedStyle(word).color])"""
        inks = dict(exit_.locator(".words > .w").evaluate_all(of_word))
        greys = [int(re.search(r"\d+", inks[layer])[0]) for layer in sorted(inks)]
        assert len(greys) >= 3
        assert greys == sorted(greys, reverse=True)
        assert exit_.locator(".entity .w").first.evaluate("word => getComputedStyle(word).backgroundSize") != "auto"

    def test_how_it_was_measured_is_a_tap_away_and_the_report_another(self, open_page):
        page = open_page()
        page.get_by_text("How was this measured?").click()
        table = page.locator(".evidence table")
        table.wait_for(timeout=WORK_MS)
        assert 3 < table.locator("tbody tr").count() <= 6
        page.wait_for_function("document.querySelector('.evidence img').naturalWidth", timeout=WORK_MS)
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Report").click()
        opened.value.get_by_role("heading").first.wait_for()

    def test_a_choice_at_the_top_leads_to_six_types(self, open_page):
        page = open_page(at="six")
        assert {"Gene", "Variant"} <= set(
            column(page, "Early exit").locator(".entity").evaluate_all("all => all.map((one) => one.dataset.type)")
        )
        assert page.locator("nav [aria-current]").inner_text() == "genes, variants and more"


class TestColumns:
    def test_play_runs_the_clocks_at_their_true_ratio_and_words_fade(self, open_page):
        page = open_page()
        page.get_by_role("button", name="Play").click()
        page.locator(".view.playing").wait_for(timeout=WORK_MS)
        page.wait_for_timeout(1500)
        clocks = [float(label.split()[0]) for label in page.locator(".view .ms").all_inner_texts()]
        assert clocks[0] == pytest.approx(clocks[1], rel=0.2), "both run until the faster one ends"
        page.locator(".view:not(.playing)").wait_for(timeout=WORK_MS)
        full, fast = (float(label.split()[0]) for label in page.locator(".view .ms").all_inner_texts())
        assert fast < full

    def test_with_four_columns_no_fifth_can_be_chosen_and_they_stand_in_the_order_of_the_boxes(self, open_page):
        page = open_page()
        tab(page, "Columns")
        for name in ("By attention", "Stop at layer 3"):
            page.get_by_label(f"{name}:").check()
            column(page, name)
        assert [title.partition(" (")[0] for title in page.locator(".view h2").all_inner_texts()] == [
            "All layers",
            "Early exit",
            "Stop at layer 3",
            "By attention",
        ]
        fifth = page.get_by_label("By rule:")
        assert fifth.evaluate("box => getComputedStyle(box.closest('label')).pointerEvents") == "none"
        fifth.press("Space")
        page.wait_for_function("box => !box.checked", arg=fifth.element_handle(), timeout=WORK_MS)
        assert page.locator(".view h2").count() == 4

    def test_a_move_of_a_slider_changes_the_text_at_once_and_says_what_it_changed_since_the_preset(self, open_page):
        page = open_page()
        preset = column(page, "Early exit").locator("dd").first.inner_text()
        tab(page, "Settings")
        slider = page.locator("input[type=range]").first
        slider.focus()
        for key, factor in (("PageUp", r"\d\S*"), ("End", "10")):
            slider.press(key)
            said = re.compile(
                rf"threshold × {factor}\): (?!{preset})\d+.% of the work on this text, {preset} at the preset"
            )
            page.locator(".moved", has_text=said).wait_for(timeout=WORK_MS)
        page.get_by_label("fast", exact=True).check()
        column(page, "Early exit (fast)")
        assert slider.input_value() == "1"

    def test_a_number_out_of_range_becomes_the_nearest_and_the_page_says_so(self, open_page):
        page = open_page()
        tab(page, "Settings")
        number = page.locator("input[type=number]").first
        page.wait_for_timeout(1000)  # until the slider has taken its value
        number.fill("55")
        number.press("Enter")
        page.locator(".moved", has_text="threshold goes from 0 to 10").wait_for(timeout=WORK_MS)
        assert number.input_value() == "10"
        assert page.get_by_text("Error", exact=True).count() == 0

    @pytest.mark.parametrize("width", [920, 1024, 1280, 1440, 1600])
    def test_no_text_passes_the_edge_of_its_column_also_beside_why(self, open_page, width):
        names = ("dense", "entropy", "truncate-3", "attention")
        for number in range(1, len(names) + 1):
            page = open_page((width, 800), query=f"strategies={','.join(names[:number])}")
            page.wait_for_function(
                "number => document.querySelectorAll('.view .column').length === number", arg=number, timeout=WORK_MS
            )
            assert page.evaluate(PAST_EDGE) == []
            page.locator(".view .column").last.locator(".w").nth(3).click()
            assert page.locator(".why").is_visible()
            assert page.evaluate(PAST_EDGE) == []
            assert_fits(page)


class TestWhy:
    def test_a_tap_on_a_word_tells_label_certainty_threshold_and_decision_at_each_gate(self, open_page):
        page = open_page()
        column(page, "Early exit").locator(".w").nth(2).click()
        why = page.get_by_role("complementary", name="Why")
        assert re.search(r"After layer 1: .+, \d+(\.\d)? % certain.*limit .*(left|stayed)", why.inner_text())
        page.keyboard.press("Escape")
        assert why.is_hidden()

    @pytest.mark.parametrize("size", [LAPTOP, PHONE])
    def test_a_tap_on_the_last_word_shows_it_and_why_side_by_side(self, open_page, size):
        page = open_page(size, query="example=Long+text")
        page.locator(".view .words", has_text="Adverse drug reactions leading").first.wait_for(timeout=WORK_MS)
        word = column(page, "Early exit").locator(".w").last
        word.click()
        why, at = page.locator(".why").bounding_box(), word.bounding_box()
        assert 0 <= why["y"] < why["y"] + why["height"] <= size[1] + 1
        assert at["y"] + at["height"] <= (why["y"] if size == PHONE else size[1]) + 1

    def test_the_keyboard_reaches_every_word(self, open_page):
        page = open_page()
        first = column(page, "Early exit").locator(".w").first
        first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        second = column(page, "Early exit").locator(".w").nth(1).inner_text()
        assert page.locator(".why h3").inner_text() == second
        assert page.evaluate("document.activeElement.textContent") == second

    def test_on_a_phone_it_is_a_sheet_in_sight(self, open_page):
        page = open_page(PHONE)
        column(page, "Early exit").locator(".w").nth(2).click()
        box = page.locator(".why").bounding_box()
        assert box["y"] + box["height"] == pytest.approx(PHONE[1], abs=2)


class TestLesson:
    def test_on_a_phone_the_text_and_the_way_on_are_in_sight_at_each_step_which_has_an_address(self, open_page):
        page = open_page(PHONE)
        tab(page, "Lesson")
        for number in range(1, 6):
            page.locator(".lesson", has_text=f"{number} of 5").wait_for(timeout=WORK_MS)
            page.wait_for_url(f"**lesson={number}*")
            page.wait_for_timeout(1000)
            for part in (page.get_by_role("button", name="Next"), page.locator(".view .words").first):
                assert 0 <= part.bounding_box()["y"] < PHONE[1] * 0.8, (number, part)
            if number < 5:
                page.get_by_role("button", name="Next").click()
        column(page, "By attention")
        page.get_by_role("button", name="Back").click()
        column(page, "Learned with recovery")

    def test_its_link_opens_it_where_a_recovery_is_explained_and_what_came_back_has_the_darkest_ink(self, open_page):
        page = open_page(PHONE, query="lesson=4")
        page.locator(".why li", has_text="It came back, since").wait_for(timeout=WORK_MS)
        assert page.get_by_role("tab", name="Lesson").get_attribute("aria-selected") == "true"
        back = column(page, "Learned with recovery").locator(".w[data-state=recovered]")
        assert all("l6" in of_word for of_word in back.evaluate_all("all => all.map((word) => word.className)"))
        assert back.first.get_attribute("aria-selected") == "true"
        assert back.first.bounding_box()["x"] >= 0, "its column is in sight"


def test_back_in_the_browser_goes_back(open_page):
    page = open_page()
    tab(page, "Columns")
    page.get_by_label("By attention:").check()
    page.wait_for_url("**attention*")
    enter(page, SHORT)
    page.wait_for_timeout(1000)  # to leave while a stream of answers is open logs an error
    page.go_back()
    page.locator(".view .w", has_text="cinnarizine").first.wait_for(timeout=WORK_MS)
    column(page, "By attention")
    page.wait_for_timeout(1000)
    page.go_back()
    page.locator(".view .column").nth(2).wait_for(state="detached", timeout=WORK_MS)
    column(page, "Early exit")


class TestText:
    def test_ones_own_text_is_tagged_kept_on_reload_and_in_a_link_only_on_request(self, open_page):
        page = open_page(permissions=["clipboard-read", "clipboard-write"])
        enter(page, SHORT)
        page.get_by_role("button", name="Copy link", exact=True).click()
        page.get_by_text("the settings, not your text").wait_for()
        assert "Naloxone" not in page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("button", name="Copy link with the text").click()
        page.get_by_text("this app's server tags it").wait_for()
        query, _, fragment = page.evaluate("navigator.clipboard.readText()").partition("#")
        assert "Naloxone" in fragment
        assert "Naloxone" not in query
        page.wait_for_timeout(1000)  # to leave while a stream of answers is open logs an error
        page.reload()
        page.locator(".view .w", has_text="clonidine").first.wait_for(timeout=WORK_MS)

    def test_a_hostile_text_stays_text(self, open_page):
        page = open_page()
        enter(page, HOSTILE)
        assert "${1+1} {{7*7}} `x` nausea" in column(page, "All layers").locator(".words").inner_text()
        assert_harmless(page)

    def test_an_empty_text_is_answered_with_what_to_do(self, open_page):
        page = open_page()
        page.get_by_label("Text", exact=True).fill("  ")
        page.get_by_role("button", name="Tag", exact=True).click()
        page.get_by_role("alert").filter(has_text="There is no text yet").wait_for(timeout=WORK_MS)


class TestFiles:
    def test_thirty_documents_become_one_csv(self, open_page, tmp_path):
        page = open_page()
        (bad := tmp_path / "bad.xlsx").write_bytes(b"PK\x03\x04")
        tag_files(page, [SAMPLE, bad])
        with page.expect_download() as download:
            page.get_by_role("button", name="Download CSV").click(timeout=WORK_MS)
        download.value.save_as(tmp_path / "a.csv")
        with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len({row["id"] for row in rows}) == 30
        assert len({tuple(row.values()) for row in rows}) == len(rows)
        said = page.get_by_label("Result").input_value()
        assert f"{len(rows)} entities in 30 documents, by Early exit (balanced)" in said
        assert "bad.xlsx: it is an Office or ZIP file; save it as CSV" in said

    def test_the_other_model_tags_the_same_files(self, open_page):
        page = open_page()
        tab(page, "Your files")
        page.get_by_role("button", name="Use the sample").click()
        page.get_by_role("button", name="Download CSV").wait_for(timeout=WORK_MS)
        page.get_by_role("tabpanel").get_by_label("genes, variants and more").check()
        page.locator('.document [data-type="Species"]').first.wait_for(timeout=WORK_MS)


def test_use_it_has_the_strategy_of_the_page_as_commands_and_code(open_page):
    page = open_page(query="shown=rule&point=fast")
    tab(page, "Use it")
    shown = page.get_by_role("tabpanel").filter(visible=True)
    shown.get_by_text("bioner tag FILE --strategy=rule --point=fast").wait_for(timeout=WORK_MS)
    shown.get_by_text("load_engine()").wait_for()
    shown.get_by_text(f'Client("{page.evaluate("location.origin")}")').wait_for()


@pytest.mark.parametrize(("size", "theme"), list(product([DESK, LAPTOP, PHONE], ["light", "dark"])))
def test_nothing_is_cut_and_everything_can_be_read_and_reached(open_page, size, theme):
    page = open_page(size, theme, query="strategies=dense,entropy,truncate-3,attention")
    column(page, "By attention")
    assert_fits(page)
    assert serious_violations(page) == []
    column(page, "Early exit").locator(".w").nth(2).click()
    tab(page, "Settings")
    assert_fits(page)
    assert serious_violations(page) == []
    if size == PHONE:
        for target in page.locator(".bar button, .controls [role=tab], input[type=range]").all():
            if target.is_visible():
                assert target.bounding_box()["height"] >= 34, target.evaluate("target => target.outerHTML")


BROKEN = """cells => cells.flatMap((cell) => {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), broken = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (const { index, 0: word } of node.textContent.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      if (range.getClientRects().length > 1) broken.push(word);
    }
  }
  return broken;
})"""


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_long_names_push_nothing_out_of_a_column_and_no_word_is_broken(open_page, size):
    page = open_page(size, query="strategies=dense,mlp,mlp-attention,mlp%2Brecovery&mlp.max_risk=9.9&point=fast")
    column(page, "Learned with recovery (fast, threshold × 9.9)")
    assert size == PHONE or page.evaluate(PAST_EDGE) == []
    assert page.locator(".view :is(h2, .figures)").evaluate_all(BROKEN) == []
    tab(page, "Evidence")
    page.locator(".evidence td").first.wait_for(timeout=WORK_MS)
    assert page.locator(".evidence :is(td, th)").evaluate_all(BROKEN) == []
    tab(page, "Your files")
    page.get_by_role("button", name="Use the sample").click()
    page.locator(".document .entity").first.wait_for(timeout=WORK_MS)
    assert page.locator(".document").evaluate_all(BROKEN) == []


def test_every_example_can_be_chosen(open_page):
    page = open_page(query="example=Symbols+and+scripts")
    page.locator(".view .words", has_text="山田さん").first.wait_for(timeout=WORK_MS)
    page.get_by_label("Example", exact=True).click()
    page.get_by_role("option", name="Few entities").click()
    page.locator(".view .w", has_text="digoxin").first.wait_for(timeout=WORK_MS)
    assert page.get_by_label("Text", exact=True).input_value() == EXAMPLES["Few entities"]
