"""How the web site's pages are made from the notebooks and the README, without building it."""

import math
import sys
from importlib import import_module
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `pytest` without `python -m`

from publishing.site_pages import (
    WIDGET,
    entries,
    first_paragraph,
    frame,
    glossary_page,
    linked,
    listed,
    map_table,
    parts_of,
    published,
    rows_of,
    section,
    start,
)

NAMES = {"00": "00_start_here", "03": "03_kinds_of_uncertainty", "10": "10_active_learning_strategies"}
TEN = "[10](10_active_learning_strategies.ipynb)"
KINDS = "[{}](03_kinds_of_uncertainty.ipynb)"
NEEDED = f"**You need** notebook {KINDS.format('03')}, {TEN}\n\n10 labels"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Notebook 03 shows it.", f"{KINDS.format('Notebook 03')} shows it."),
        ("as in notebook\n03, later", "as in [notebook\n03](03_kinds_of_uncertainty.ipynb), later"),
        ("notebooks 03 and 10", f"notebooks {KINDS.format('03')} and {TEN}"),
        ("**You need** notebook 03, 10\n\n10 labels", NEEDED),
        ("notebook 99 is not there", "notebook 99 is not there"),
        ("`notebook 03` and $notebook 03$", "`notebook 03` and $notebook 03$"),
        ("# About notebook 03", "# About notebook 03"),
        ("[notebook 03](03_kinds_of_uncertainty.ipynb#noise)", "[notebook 03](03_kinds_of_uncertainty.ipynb#noise)"),
        ("see [the code](../bal_utils/data.py)", "see the code"),
        ("arXiv:1112.5745, section 2", "[arXiv:1112.5745](https://arxiv.org/abs/1112.5745), section 2"),
        ("| | 03 Kinds | Noise? |", f"| | {KINDS.format('03 Kinds')} | Noise? |"),
        (r"$$a \\ b \tag{1}$$", r"$$a \cr  b \tag{1}$$"),
        (r"$$a \\ b$$", r"$$a \\ b$$"),
    ],
)
def test_mentions_become_links(text, wanted):
    assert linked(text, NAMES) == wanted


def explorer_output(words):
    return new_output("execute_result", data={WIDGET: {"model_id": "1"}, "text/plain": words})


def test_a_notebook_is_made_ready_without_being_changed():
    told = {"image/png": {"alt": "six words of text are here"}}
    picture = new_output("display_data", data={"image/png": "aaaa"}, metadata=told)
    badge = "<!-- hosted -->[![b](https://x.org/b.svg)](https://x.org)<!-- /hosted -->"
    book = new_notebook(
        cells=[
            new_markdown_cell(f"# 03 · Noise?\n\n{badge}\n\nText."),
            new_code_cell("install", metadata={"tags": ["hosted-install"]}),
            new_code_cell("figure", outputs=[picture]),
            new_code_cell("bar", outputs=[explorer_output("bald:  67%|######6   | 20/30")]),
            new_code_cell("explorer", outputs=[explorer_output("ThreeKinds explorer (runs in a live notebook)")]),
            new_code_cell("race", outputs=[explorer_output("LabelRace explorer (runs in a live notebook)")]),
        ],
        metadata={"widgets": {}},
    )
    before = str(book)
    made = published(book, "03_kinds_of_uncertainty", NAMES)
    assert str(book) == before
    head, figure, bar, explorer, race = made.cells
    assert (
        head.source.startswith("# 03 · Noise?\n\n<p") and "x.org" not in head.source and head.source.endswith("Text.")
    )
    assert figure.metadata.mystnb.image.alt == "six words of text are here"
    assert bar.outputs == [] and "widgets" not in made.metadata
    assert 'src="explorers/ThreeKinds.html"' in explorer.outputs[0].data["text/html"]
    assert "needs Python" in race.outputs[0].data["text/html"] and "iframe" not in race.outputs[0].data["text/html"]


def test_a_cell_with_two_pictures_is_refused_because_only_one_text_would_be_kept():
    picture = new_output("display_data", data={"image/png": "a"}, metadata={"image/png": {"alt": "some text"}})
    with pytest.raises(ValueError, match="at most one picture, got 2"):
        published(
            new_notebook(cells=[new_markdown_cell("# T"), new_code_cell("", outputs=[picture, picture])]), "x", {}
        )


def test_every_listed_explorer_has_the_controls_it_is_listed_with_and_not_too_many_scenes():
    for kind, told in listed().items():
        controls = {
            getattr(control, "field", None) for control in getattr(import_module(told["module"]), kind).controls
        }
        assert set(told["fields"]) <= controls, kind
        assert 10 <= math.prod(map(len, told["fields"].values())) <= 500, kind
        assert f'src="explorers/{kind}.html"' in frame(kind)


MAP = """Words.

| | notebook | question |
|---|---|---|
| **I** | 03 Kinds | Noise? |
| | [04 Fit](04_fit.ipynb) | How? |
| **III** | 10 Strategies | Which? |
"""


def test_the_map_gives_parts_and_a_table():
    rows = rows_of(MAP)
    assert [row.part for row in rows] == ["I", "", "III"] and [row.number for row in rows] == ["03", "04", "10"]
    assert rows[1].question == "How?"
    parts = list(parts_of(rows, NAMES | {"77": "77_new"}).values())
    assert parts == [[NAMES["00"]], [NAMES["03"]], [NAMES["10"], "77_new"]]
    table = map_table(rows, NAMES, rows[0])
    assert KINDS.format("03 Kinds") in table and "04 Fit (planned)" in table


README = (
    "# Title\n\n![shot](a.png)\n\nOne. Two.\n\n## Begin\n\nSee [this](x.md).\n\n    make lab   # go\n\n## Then\n\nNo.\n"
)


def test_the_front_page_speaks_with_the_readme():
    assert first_paragraph(README) == "One. Two."
    assert start(README) == "See this.\n\n    make lab   # go"
    with pytest.raises(ValueError, match="a section with `make lab`"):
        start("# T\n\nText.")
    with pytest.raises(ValueError, match="begins with 'Map'"):
        section("## Other\n", "Map")


def test_the_glossary_has_an_entry_for_each_bold_beginning():
    text = (
        "**Pool**: inputs\nwithout labels. **Posterior**: over networks; a **sample** is one. "
        "**Sure** doubt stays; **soft** doubt goes."
    )
    found = entries(text)
    assert found["Pool"] == "Inputs without labels." and "a **sample** is one" in found["Posterior"]
    assert found["Sure, soft"].startswith("**Sure** doubt stays")
    page = glossary_page(f"## Glossary\n\n{text}\n", {"03": "the pool of"}, NAMES)
    assert "Pool\n  Inputs without labels.\n\n  In notebooks [03](03_kinds_of_uncertainty.ipynb)." in page
