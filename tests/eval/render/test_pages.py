"""Pages: what users wrote is shown as it is, contents lead to sections."""

import re

import pytest

from eval.render.pages import Table, as_html, page, write_page
from eval.render.text import code, escape

HOSTILE = "<script>alert(1)</script> a|b [x](http://y) *z* `q` &amp; $k$"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt; a|b [x](http://y) *z* `q` &amp;amp; $k$"


def written(*parts, title="Title", notes=()):
    """A page of two sections as Markdown and HTML."""
    text = page(title, {"One & all": parts, "Two": ["Last."]}, ["First."], notes)
    return text, as_html(text)


def test_both_pages_have_a_contents_list_that_leads_to_every_section():
    text, html = written()
    assert re.findall(r"^- \[(.+)\]\(#(.+)\)$", text, re.MULTILINE) == [("One &#38; all", "one--all"), ("Two", "two")]
    for anchor in re.findall(r'href="#([^"]+)"', html):
        assert f'id="{anchor}"' in html


def test_a_table_follows_its_caption():
    text, html = written(Table(["a"], [["short"]], "Shown"))
    assert "\n\nShown\n\n| a |\n| --- |\n| short |\n\n## Two\n" in text
    assert "<td>short</td>" in html.partition("<p>Shown</p>\n<table>")[2]


def test_text_of_users_is_shown_as_it_is():
    parts = (escape(HOSTILE), Table([HOSTILE], [[HOSTILE]]))
    text, html = written(*parts, "<b>raw</b>", title=HOSTILE, notes=[HOSTILE])
    for markup in ("<script>", '<a href="http', "<em>", "<b>"):
        assert markup not in html + as_html(text)
    for shown in (html, as_html(text)):
        assert f"<title>{SHOWN}</title>" in shown
        assert f'<td class="long">{SHOWN}</td>' in shown


def test_comments_of_documents_are_left_out_and_images_are_links():
    html = as_html("<!-- figures: x -->\n1\n<!-- end -->\n<!-- <script> -->\n")
    assert "<p>1</p>" in html
    assert not re.search("figures|end --|script", html)
    html = as_html("![a](a.gif) ![b](https://example.org/b.png) ![c](/etc/passwd)")
    assert re.findall(r'src="([^"]*)"', html) == ["a.gif", "https://example.org/b.png", "/etc/passwd"]


@pytest.mark.parametrize(("text", "shown"), [("a  b", "`a b`"), ("`rows` at ``a``", "``` `rows` at ``a`` ```")])
def test_code_holds_backticks(text, shown):
    assert code(text) == shown


def test_a_page_is_utf_8_and_a_lone_surrogate_does_not_stop_it(tmp_path):
    write_page(tmp_path / "page.md", "λ = 0.5 − \ud83d\n")
    assert (tmp_path / "page.md").read_bytes().decode("utf-8") == "λ = 0.5 − ?\n"
