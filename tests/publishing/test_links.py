"""The way from notebook to notebook."""

import json
import re

import pytest

from publishing.links import lessons, link, pages, with_links

COURSE = lessons()


@pytest.mark.parametrize(
    "text, linked",
    [
        ("See notebook 07.", "See [notebook 07](07_deep_ensembles.ipynb)."),
        (
            "Notebooks 05 and 06, notebook 03 too",
            "Notebooks [05](05_dropout_as_variational_inference.ipynb) and [06](06_mc_dropout.ipynb), notebook 03 too",
        ),
        ("`notebook 07` and [notebook 07](x)", "`notebook 07` and [notebook 07](x)"),
        (
            "### What notebook 07 says\n\nAs notebook 07.",
            "### What notebook 07 says\n\nAs [notebook 07](07_deep_ensembles.ipynb).",
        ),
        ("$notebook 07$, notebook 99, notebook 07.5", "$notebook 07$, notebook 99, notebook 07.5"),
    ],
)
def test_a_mention_becomes_a_link_once(text, linked):
    assert with_links(text, "03", COURSE) == linked
    assert with_links(linked, "03", COURSE) == linked


def test_no_line_begins_with_a_comment_and_goes_on_with_a_link():
    """Such a line would be HTML from end to end, its link never a link."""
    book = {"cells": [{"cell_type": "markdown", "source": ["# 03 · Noise?\n", "\n", "Text."]}]}
    text = "".join(link(book, COURSE["03"], COURSE)["cells"][0]["source"])
    assert "← 02" in text and "Next" in text and not re.search(r"^<!--.*\]\(", text, re.MULTILINE)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_the_links_of_a_notebook_are_written_and_lead_somewhere(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    before = ["".join(cell["source"]) for cell in book["cells"]]
    assert before == ["".join(cell["source"]) for cell in link(book, path, COURSE)["cells"]], (
        "run python -m publishing.links"
    )
    for text in before:
        for target in re.findall(r"\]\(([^)#:]+\.(?:ipynb|md))(?:#[^)]*)?\)", text):
            assert (path.parent / target).exists(), target
