"""The glossary: in order, each word explained once, every link to it and from it leads somewhere."""

import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
GLOSSARY = NOTEBOOKS / "glossary.md"
TEXT = GLOSSARY.read_text()
LINKING = sorted([*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("further/*.ipynb")])


def slug(heading):
    """The anchor that GitHub and the site give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


HEADINGS = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
WORDS = re.findall(r"^### (.*)$", TEXT, re.MULTILINE)
ANCHORS = [slug(heading) for heading in HEADINGS]


def test_words_stand_in_the_order_of_the_alphabet_and_once():
    in_order = [re.sub(r"[^a-z0-9 ]", "", word.lower().replace("-", " ")) for word in WORDS]
    assert in_order == sorted(in_order) and len(set(ANCHORS)) == len(ANCHORS) and len(WORDS) > 60


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_explained_in_a_sentence_and_leads_to_a_notebook_or_another_word(word):
    text = re.search(rf"^### {re.escape(word)}\n\n(.*?)(?=\n##|\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]
    assert 3 < len(text.split()) < 90
    assert re.search(r"\]\(#|\.ipynb\)", text)


def test_links_of_the_glossary_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        page, _, anchor = link.partition("#")
        assert (NOTEBOOKS / page).exists() if page else anchor in ANCHORS, link


@pytest.mark.parametrize("path", LINKING, ids=lambda path: path.stem)
def test_notebooks_link_to_words_that_are_explained(path):
    prose = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    missing = {anchor for anchor in re.findall(r"glossary\.md#([\w-]+)", prose)} - set(ANCHORS)
    assert not missing


def test_a_symbol_has_one_meaning():
    table = re.findall(r"^\| (\$.*?|`.*?) \|", TEXT[TEXT.index("## Symbols") :], re.MULTILINE)
    symbols = [symbol for row in table for symbol in re.findall(r"\$([^$]+)\$|`(\w+)`", row)]
    assert len(set(symbols)) == len(symbols) > 25
