"""Pages: what users wrote is shown as it is."""

import re

from eval.render.pages import Table, as_html, page, write_page
from eval.render.text import escape

HOSTILE = "<script>alert(1)</script> a|b [x](http://y) *z* `q` &amp; $k$"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt; a|b [x](http://y) *z* `q` &amp;amp; $k$"


def test_text_of_users_is_shown_as_it_is():
    text = page("ablations.md", title=HOSTILE, failures=[HOSTILE], table=Table([HOSTILE], [[HOSTILE]]))
    html = as_html(f"{text}\n{escape(HOSTILE)}\n<b>raw</b>\n")
    for markup in ("<script>", '<a href="http', "<em>", "<b>"):
        assert markup not in html.replace("<em>Random words</em>", "")
    assert f"<title>{SHOWN}</title>" in html
    assert f'<td class="long">{SHOWN}</td>' in html
    assert html.count(SHOWN) == 6  # title, heading, failure, cells and text


def test_comments_of_documents_are_left_out_and_images_are_links():
    html = as_html("<!-- figures: x -->\n1\n<!-- end -->\n<!-- <script> -->\n")
    assert "<p>1</p>" in html
    assert not re.search("figures|end --|script", html)
    html = as_html("![a](a.gif) ![b](https://example.org/b.png) ![c](/etc/passwd)")
    assert re.findall(r'src="([^"]*)"', html) == ["a.gif", "https://example.org/b.png", "/etc/passwd"]


def test_a_page_is_utf_8_and_a_lone_surrogate_does_not_stop_it(tmp_path):
    write_page(tmp_path / "page.md", "λ = 0.5 − \ud83d\n")
    assert (tmp_path / "page.md").read_bytes().decode("utf-8") == "λ = 0.5 − ?\n"
