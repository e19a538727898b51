"""Links to the app show its own title and picture."""

import re

from demo.common.intro import TITLE
from demo.server.page import PICTURE


def test_the_served_page_names_the_app_and_not_gradio(url, http):
    reply = http.get(url, headers={"Accept-Encoding": "identity"})
    assert re.findall(r'og:title" content="([^"]*)"', reply.text) == [TITLE]
    assert re.findall(r'og:image" content="([^"]*)"', reply.text) == [url + PICTURE]
    assert "raw.githubusercontent.com" not in reply.text
    assert '<meta charset="utf-8"' in reply.text, "other tags stay"
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert http.get(url + PICTURE).headers["content-type"] == "image/png"
    assert http.head(url).status_code == 200


def test_of_several_proxies_the_first_counts_and_a_host_is_no_markup(url, http):
    proxies = {"X-Forwarded-Host": "example.org, inner", "X-Forwarded-Proto": "https,http"}
    assert 'og:url" content="https://example.org/"' in http.get(url, headers=proxies).text
    page = http.get(url, headers={"X-Forwarded-Host": '"><script>'}).text
    assert "<script" not in page.partition("</head>")[0][:400]
