"""How the web site's pages are made from the notebooks and the README, without building it."""

import base64
import io
import math
import sys
from importlib import import_module
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `pytest` without `python -m`

from publishing.site_pages import (
    THUMBNAIL,
    WIDGET,
    cards,
    contents,
    first_paragraph,
    frame,
    linked,
    listed,
    part_of,
    published,
    rows_of,
    section,
    shown_outputs,
    start,
    thumbnail,
)

STEMS = {"00": "00_start_here", "03": "03_kinds_of_uncertainty", "10": "10_active_learning_strategies"}
PAGES = {"glossary.md", "03_strangers.ipynb", *(f"{stem}.ipynb" for stem in STEMS.values())}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[notebook 03](03_kinds_of_uncertainty.ipynb#noise)", "[notebook 03](03_kinds_of_uncertainty.ipynb#noise)"),
        ("[a word](../glossary.md#bald), [more](further/03_strangers.ipynb)",) * 2,
        ("[up](#Exercise-1:-Why?)", "[up](#exercise-1-why)"),
        ("[here](#noise) and [there](https://example.org/a.ipynb)",) * 2,
        ("see [the code](../bal_utils/data.py)", "see the code"),
        ("[later](07_deep_ensembles.ipynb) there", "later there"),
        ("arXiv:1112.5745, section 2", "[arXiv:1112.5745](https://arxiv.org/abs/1112.5745), section 2"),
        ("[see arXiv:1112.5745](https://arxiv.org/abs/1112.5745), `arXiv:1112.5745`",) * 2,
        (r"$$a \\ b \tag{1}$$", r"$$a \cr  b \tag{1}$$"),
        (r"$$a \\ b$$", r"$$a \\ b$$"),
    ],
)
def test_links_lead_to_pages_and_papers_only(text, wanted):
    assert linked(text, PAGES) == wanted


def picture(colour="white", size=(10, 10), **data):
    png = io.BytesIO()
    Image.new("RGB", size, colour).save(png, format="png")
    return new_output(
        "display_data",
        data={"image/png": base64.b64encode(png.getvalue()).decode(), **data},
        metadata={"image/png": {"alt": "six words of text are here"}},
    )


def explorer(kind, **data):
    return picture(**{"text/plain": f"{kind} explorer (runs in a live notebook)"}, **data)


def test_a_notebook_is_made_ready_without_being_changed():
    badge = "<!-- hosted -->[![b](https://x.org/b.svg)](https://x.org)<!-- /hosted -->"
    bar = new_output("display_data", data={WIDGET: {"model_id": "1"}, "text/plain": "bald:  67%|######6   | 20/30"})
    book = new_notebook(
        cells=[
            new_markdown_cell(f"# 03 · Noise?\n\n{badge}\n\nText."),
            new_code_cell("install", metadata={"tags": ["hosted-install"]}),
            new_code_cell("figure", outputs=[picture()]),
            new_code_cell("bar", outputs=[bar]),
            new_code_cell("explorer", outputs=[explorer("ThreeKinds", **{WIDGET: {"model_id": "1"}})]),
            new_code_cell("oracle", outputs=[explorer("BeTheOracle", **{WIDGET: {"model_id": "1"}})]),
            new_code_cell("prediction_1.ask()", metadata={"tags": ["prediction", "hide-input"]}),
        ],
        metadata={"widgets": {}},
    )
    before = str(book)
    made = published(book, "03_kinds_of_uncertainty", PAGES)
    assert str(book) == before
    head, figure, bar, live, oracle, prediction = made.cells
    assert head.source.startswith("# 03 · Noise?\n\nText.") and "x.org" not in head.source
    assert 'href="notebooks/03_kinds_of_uncertainty.ipynb" download' in head.source
    assert figure.metadata.mystnb.image.alt == "six words of text are here"
    assert bar.outputs == [] and "widgets" not in made.metadata
    (page,) = live.outputs
    assert 'src="explorers/ThreeKinds.html"' in page.data["text/html"]
    word, still = oracle.outputs
    assert "needs Python" in word.data["text/html"] and "iframe" not in word.data["text/html"]
    assert "image/png" in still.data and WIDGET not in still.data
    assert "remove-input" in prediction.metadata.tags


def test_what_goes_further_leads_up_and_stands_under_its_notebook():
    book = new_notebook(cells=[new_markdown_cell("# T"), new_code_cell("", outputs=[explorer("ThreeKinds")])])
    further = published(book, "further/03_strangers", PAGES)
    assert 'src="../explorers/ThreeKinds.html"' in further.cells[1].outputs[0].data["text/html"]
    assert 'href="../index.html#how-to-start"' in further.cells[0].source
    above = published(book, "03_kinds_of_uncertainty", PAGES, ["further/03_strangers"])
    assert "\nfurther/03_strangers\n" in above.cells[-1].source and len(further.cells) == len(above.cells) - 1


def test_a_cell_with_two_pictures_is_refused_because_only_one_text_would_be_kept():
    book = new_notebook(cells=[new_markdown_cell("# T"), new_code_cell("", outputs=[picture(), picture()])])
    with pytest.raises(ValueError, match="at most one picture, got 2"):
        published(book, "x", set())


def test_a_card_shows_the_tagged_picture_else_the_explorer_else_the_first():
    red, green, blue = picture("red", (10, 30)), explorer("ThreeKinds", colour="green"), picture("blue")
    cells = [new_code_cell("", outputs=[output]) for output in (red, green, blue)]
    middle = (THUMBNAIL[0] // 2, THUMBNAIL[1] // 2)
    assert thumbnail(new_notebook(cells=[cells[0], cells[2]])).getpixel(middle) == (255, 0, 0)
    assert thumbnail(new_notebook(cells=cells)).getpixel(middle) == (0, 128, 0)
    cells[2].metadata["tags"] = ["thumbnail"]
    small = thumbnail(new_notebook(cells=cells))
    assert small.getpixel(middle) == (0, 0, 255) and small.size == THUMBNAIL
    with pytest.raises(ValueError, match="book: expected a picture"):
        thumbnail(new_notebook(cells=[new_markdown_cell("# T")]))


def test_every_listed_explorer_has_the_controls_it_is_listed_with_and_not_too_many_scenes():
    for kind, told in listed().items():
        explorer = getattr(import_module(told["module"]), kind)
        if not explorer.controls:  # they depend on what it is made of
            explorer = explorer()
        controls = {getattr(control, "field", None) for control in (*explorer.controls, explorer.play)}
        assert set(told["fields"]) <= controls, kind
        assert math.prod(map(len, told["fields"].values())) <= 500, kind
        assert f'src="explorers/{kind}.html"' in frame(kind)


README = """# Title

![shot](a.png)

One. Two.

## Begin

See [this](x.md).

    make lab   # go

## The notebooks

| | question | minutes to run |
|---|---|---|
| [00 Start](notebooks/00_start_here.ipynb) | Can it? | 2 |
| [03 Kinds & more](notebooks/03_kinds_of_uncertainty.ipynb) | Noise? | ½ |
| [04 Fit](notebooks/04_fit.ipynb) | How? | 1 |
"""


def test_the_cards_and_the_contents_follow_readme_and_parts():
    rows = rows_of(README)
    assert [(row.number, row.name, row.question) for row in rows][1] == ("03", "Kinds & more", "Noise?")
    page = cards(rows, STEMS)
    assert page.count("<li>") == 2 and 'href="03_kinds_of_uncertainty.html"' in page
    assert "03 · Kinds &amp; more" in page and "I · One line" in page
    assert [part_of(number).partition(" ")[0] for number in ("00", "01", "04", "05", "11", "14")] == [
        "Begin", "I", "I", "II", "III", "IV",
    ]  # fmt: skip
    trees = contents(STEMS, ["glossary"]).split("\n\n```{toctree}")
    assert len(trees) == 4 and "To look up" in trees[-1] and "glossary" in trees[-1]
    assert ":caption: III · Asking for labels\n\n10_active_learning_strategies" in trees[2]
    with pytest.raises(ValueError, match="README: expected rows"):
        rows_of("# T")


def test_the_front_page_speaks_with_the_readme():
    assert first_paragraph(README) == "One. Two."
    assert start(README) == "See this.\n\n    make lab   # go"
    with pytest.raises(ValueError, match="a section with `make lab`"):
        start("# T\n\nText.")
    with pytest.raises(ValueError, match="begins with 'Map'"):
        section("## Other\n", "Map")


def test_a_link_of_the_overview_leads_to_the_page_of_its_notebook():
    table = '<a href="01_lines.ipynb">01</a> <a href="https://example.org/02_x.ipynb">elsewhere</a>'
    (shown,) = shown_outputs(new_output("execute_result", data={"text/html": table, "text/plain": "0 of 2"}))
    assert shown.data["text/html"] == table.replace("01_lines.ipynb", "01_lines.html")
