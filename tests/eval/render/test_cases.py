from eval.analysis.cases import Cases
from eval.render.cases import cases_page
from tests.eval.analysis.analysis_cases import compared, entity


def page_of(cases: Cases) -> str:
    return cases_page([{"dtype": "float32", **of} for of in cases.record()])


def test_cases_show_where_each_word_exits_and_escape_the_text():
    text = "Bad|<b>failure</b> after *doses* ."
    gold = entity("failure", "Disease", text)
    cases = Cases()
    cases.add(compared([gold], [gold], [], fates={5: (2, "left")}, text=text, id_="<1>"))
    page = page_of(cases)
    assert "### caused: missed, mislabelled at the gate" in page
    assert "| failure | B-Disease | B-Disease | O | 2 | 2: O 0.90 |" in page.splitlines()
    assert "Document &#60;1&#62;." in page
    assert "<b>" not in page
    assert "- entropy: nothing" in page


def test_cases_stay_few_and_are_counted():
    gold = entity("cisplatin", "Chemical")
    cases = Cases()
    for _ in range(9):
        cases.add(compared([gold], [gold], []))
    page = page_of(cases)
    assert page.count("### ") == 3
    assert "In all: 9 caused (context lost)." in page


def test_without_cases_the_page_says_so():
    assert "No strategy differs from dense" in cases_page(Cases().record())
