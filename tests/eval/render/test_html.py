import base64
import io
import re

from PIL import Image

from eval.render.html import page
from eval.render.markdown import escape, table

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_the_page_needs_nothing_but_itself(tmp_path):
    (tmp_path / "plot.png").write_bytes(PIXEL)
    html = page("# Title\n\n![plot](plot.png)\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n", tmp_path)
    (embedded,) = re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    shown, drawn = (Image.open(io.BytesIO(of)).convert("RGBA") for of in (base64.b64decode(embedded), PIXEL))
    assert (shown.size, shown.tobytes()) == (drawn.size, drawn.tobytes())
    assert re.findall(r'(?:src|href)="(?!data:image/webp;base64,)', html) == []
    assert "<table>" in html
    assert "<title>Title</title>" in html


def test_text_of_users_is_shown_as_it_is(tmp_path):
    text = "<script>alert(1)</script> a|b [x](http://y) *z* `q` &amp; $k$"
    html = page(f"# {escape(text)}\n\n{table(['c'], [[escape(text)]])}\n\n<b>raw</b>", tmp_path)
    assert "<script>" not in html
    assert "<a " not in html
    assert "<em>" not in html
    assert "<b>" not in html
    shown = "&lt;script&gt;alert(1)&lt;/script&gt; a|b [x](http://y) *z* `q` &amp;amp; $k$"
    assert f'<td class="long">{shown}</td>' in html
    assert f"<title>{shown}</title>" in html


def test_headings_have_the_anchors_of_github(tmp_path):
    html = page("# Over `--dtype int8`, 95 %\n\n## Größe [x](y.md)\n\n## A_b\n\n## A_b\n", tmp_path)
    assert re.findall(r'<h\d id="([^"]*)">', html) == ["over---dtype-int8-95-", "größe-x", "a_b", "a_b-1"]


def test_images_are_links_without_a_folder(tmp_path):
    html = page("![a](a.gif) ![b](https://example.org/b.png) ![c](/etc/passwd)")
    assert re.findall(r'src="([^"]*)"', html) == ["a.gif", "https://example.org/b.png", "/etc/passwd"]


def test_figures_in_cells_stay_on_one_line_and_prose_wraps():
    html = page(f"| a | b |\n| --- | --- |\n| 0.855 / 6 | {'word ' * 20}|\n")
    assert "td { white-space: nowrap; }" in html
    assert "<td>0.855 / 6</td>" in html
    assert '<td class="long">word' in html
