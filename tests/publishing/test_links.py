"""The way from notebook to notebook."""

import json
import re
from pathlib import Path

import pytest

from publishing.links import lessons, link, with_links

ROOT = Path(__file__).parent.parent.parent
COURSE = lessons()
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[0-9][0-9]_*.ipynb"))


@pytest.mark.parametrize(
    "text, linked",
    [
        ("See notebook 07.", "See [notebook 07](07_deep_ensembles.ipynb)."),
        (
            "Notebooks 05 and 06, notebook 03 too",
            "Notebooks [05](05_dropout_as_variational_inference.ipynb) and [06](06_mc_dropout.ipynb), notebook 03 too",
        ),
        ("`notebook 07` and [notebook 07](x)", "`notebook 07` and [notebook 07](x)"),
        ("### What notebook 07 says", "### What notebook 07 says"),
        ("$notebook 07$, notebook 99, notebook 07.5", "$notebook 07$, notebook 99, notebook 07.5"),
    ],
)
def test_a_mention_becomes_a_link_once(text, linked):
    assert with_links(text, "03", COURSE) == linked
    assert with_links(linked, "03", COURSE) == linked


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_links_of_a_notebook_are_written_and_lead_somewhere(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    before = ["".join(cell["source"]) for cell in book["cells"]]
    assert before == ["".join(cell["source"]) for cell in link(book, path, COURSE)["cells"]], (
        "run python -m publishing.links"
    )
    for text in before:
        for target in re.findall(r"\]\(([^)#:]+\.(?:ipynb|md))(?:#[^)]*)?\)", text):
            assert (path.parent / target).exists(), target
