"""First contact in a real browser: what a visitor sees, understands and takes along in half a minute."""

import re
from urllib.parse import urljoin

import pytest

from demo.common.links import EXAMPLES
from tests.demo.browsing import DESK, LAPTOP, PHONE, SHORT, TABS, WORK_MS, assert_fits, enter, run, tab, wait_until

pytestmark = pytest.mark.slow

SIX = "Mutations of BRCA1 were found in 12 patients with breast cancer."


class TestFirstScreen:
    def test_two_lines_say_what_it_does_and_the_rest_is_folded(self, open_page):
        page = open_page(DESK)
        claim = page.locator(".intro .claim")
        lines = "part => part.getClientRects()[0].height / parseFloat(getComputedStyle(part).lineHeight)"
        assert claim.evaluate(lines) < 2.5
        assert claim.inner_text().startswith("Finds chemicals and diseases.")
        assert len(re.findall("× as fast as the Hugging Face pipeline", claim.inner_text())) == 1, "one reference"
        assert page.get_by_text("Speed over each baseline").is_hidden()
        page.get_by_text("How was this measured?").click()
        assert page.get_by_text("Speed over each baseline").is_visible()

    def test_it_opens_on_balanced_with_all_entities_of_the_full_pass_and_tabs_in_the_order_of_a_visit(self, open_page):
        page = open_page()
        assert page.get_by_label("balanced", exact=True).is_checked()
        assert re.search(r"same \d\d entities$", page.locator(".answer .headline").inner_text())
        assert 180 <= len(page.get_by_label("Text", exact=True).input_value().split()) <= 220
        assert tuple(page.get_by_role("tab").all_inner_texts()) == TABS
        term = page.locator(".answer .term").first
        term.focus()
        assert term.locator(".tip").is_visible(), "the keyboard explains a term, too"


class TestWhatToFind:
    def test_a_choice_at_the_top_leads_to_six_types_and_takes_the_text_along(self, open_page):
        page = open_page(query="")
        enter(page, SIX)
        run(page)
        wait_until(page, "done")
        page.get_by_role("navigation", name="What to find").get_by_role("link", name="6 types").click()
        page.get_by_text("Finds chemicals, diseases, genes, species, variants and cell lines.").wait_for()
        wait_until(page, "done")
        assert re.search(r"/six(\?.*)?$", page.url)
        assert page.get_by_label("Text", exact=True).input_value() == SIX
        table = page.get_by_role("region", name="Entities").first.inner_text()
        assert {"Gene", "Disease", "Species"} <= set(re.findall("[A-Z][a-z]+", table))
        for name, shown in (("Why", "BRCA1"), ("Use in code", "load_engine('six')")):
            tab(page, name)
            page.get_by_role("tabpanel").filter(has_text=shown, visible=True).wait_for(timeout=WORK_MS)
        tab(page, "Evidence")
        assert page.get_by_label("Report", exact=True).input_value() == "Six types on BioRED"

    def test_a_link_to_six_types_keeps_its_settings(self, open_page):
        page = open_page(page_at="six", query="example=Genes+and+variants&strategies=dense,entropy&point=fast")
        assert page.get_by_label("fast", exact=True).is_checked()
        assert "BRAF V600E" in page.get_by_label("Text", exact=True).input_value()
        assert page.get_by_role("link", name="6 types").get_attribute("aria-current") == "page"


def test_a_changed_word_leads_to_why_with_the_strategy_of_the_line(open_page):
    page = open_page(DESK)
    page.locator(".strategy-shown").get_by_label("dense").check()
    page.get_by_role("button", name="✗ A disease that only all layers find").click()
    button = page.locator(".answer .to-word[data-strategy=entropy]").first
    button.wait_for(timeout=WORK_MS)
    wait_until(page, "done")
    word = button.inner_text().split()[0]
    button.click()
    page.locator(".why .detail h4", has_text=f"{word}: ").wait_for(timeout=WORK_MS)
    assert page.locator(".why .word[aria-selected=true]").inner_text() == word


def test_the_command_for_ones_own_model_is_below_the_demo_and_can_be_copied(open_page, app_url):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    card = page.get_by_role("region", name="Your own model")
    assert card.bounding_box()["y"] > page.locator(".tab-container").first.bounding_box()["y"]
    card.get_by_role("button", name="Copy").click()
    card.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    small = "chemicals-diseases"
    assert copied == f"python -m engine.training.cascade CHECKPOINT --small {small} --texts FILE --out FOLDER"
    guide = card.get_by_role("link", name="minutes").get_attribute("href")
    assert "--share" in page.request.get(urljoin(app_url, guide)).text()


class TestLink:
    """Links say what they hold, and hold a text only on request, where no server sees it."""

    @pytest.fixture
    def page(self, open_page):
        return open_page(permissions=["clipboard-read", "clipboard-write"])

    def copied(self, page, name, said):
        page.get_by_role("button", name=name).click()
        page.get_by_text(said).wait_for()
        return page.evaluate("navigator.clipboard.readText()")

    def reopened(self, page, link, start):
        (other := page.context.new_page()).goto(link)  # to leave a page while it computes logs an error
        other.wait_for_function(f"document.querySelector('textarea')?.value?.startsWith('{start}')", timeout=WORK_MS)
        return other

    def test_it_reopens_settings_and_example(self, page, app_url):
        enter(page, EXAMPLES["Animal study"])
        page.get_by_label("fast", exact=True).check()
        page.locator(".answer[data-state=done]", has_text="entropy:fast").wait_for(timeout=WORK_MS)
        page.locator(".strategy-shown").get_by_label("dense").check()
        link = self.copied(page, "Copy link", "It holds the settings and the example.")
        assert link.startswith(app_url)
        other = self.reopened(page, link, "Curcumin")
        assert other.get_by_label("fast", exact=True).is_checked()
        assert other.locator(".strategy-shown").get_by_label("dense").is_checked()
        wait_until(other, "done")

    def test_a_text_is_in_it_on_request_alone_and_no_server_sees_it(self, page):
        enter(page, "a private text, 50 % of nausea & more")
        link = self.copied(page, "Copy link", "It holds the settings, not your text.")
        assert "private" not in link
        page.get_by_label("fast", exact=True).check()
        link = self.copied(page, "Copy it with the text", "never sent to a server")
        query, _, fragment = link.partition("#")
        assert "point=fast" in query, "the settings are those of now"
        assert "private" in fragment
        assert "private" not in query
        sent = []
        page.context.on("request", lambda request: sent.append(request.url))
        other = self.reopened(page, link, "a private text, 50 % of nausea & more")
        assert not any("private" in url for url in sent)
        assert "private" not in other.url, "once read, it does not stay in the address bar"
        wait_until(other, "done")

    def test_a_text_survives_a_visit_to_the_readme_and_a_reload(self, open_page):
        page = open_page(query="")
        enter(page, SHORT)
        run(page)
        page.locator(".bet").wait_for(state="detached", timeout=WORK_MS)
        wait_until(page, "done")
        page.get_by_text("How was this measured?").click()
        page.wait_for_timeout(1000)  # to leave while the stream of answers is open logs an error
        page.get_by_role("link", name="README").click()
        for come_back in (page.get_by_role("link", name="Back to the app").click, page.reload):
            come_back()
            page.wait_for_function(f"document.querySelector('textarea')?.value === '{SHORT}'", timeout=WORK_MS)
            page.locator(".race .wide", has_text="clonidine").wait_for(timeout=WORK_MS)
            page.locator(".bet").wait_for(state="detached", timeout=WORK_MS)
            wait_until(page, "done")
            page.wait_for_timeout(1000)


def test_no_column_of_the_table_in_compare_is_cut_on_a_laptop(open_page):
    assert_fits(open_page(LAPTOP, at="Compare", timed=True), "Summary")


@pytest.mark.parametrize("size", [DESK, LAPTOP, PHONE])
def test_evidence_opens_with_the_roles_and_its_figure_fills_the_width_and_is_large_enough_to_read(open_page, size):
    page = open_page(size, "dark", at="Evidence")
    panel = page.get_by_role("tabpanel")
    assert panel.get_by_label("Roles").locator("tbody tr").count() > 3
    if size != PHONE:
        assert_fits(page, "Roles")
    page.wait_for_function("document.querySelector('.plot img').naturalWidth", timeout=WORK_MS)
    figure, image = (panel.locator(part).first.bounding_box()["width"] for part in (".plot", ".plot img"))
    assert image >= max(0.95 * figure, 700), "its smallest letters have 11 pixels at a width of 700"
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    panel.get_by_label("Report", exact=True).click()
    page.get_by_role("option", name="BERT-base size, no gold, on BC5CDR").click()
    page.get_by_text("This report measured another model").wait_for(timeout=WORK_MS)
