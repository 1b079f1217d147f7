"""Marks and decks: every lecture has a deck of a lecture's length that opens without a network and fits its screen."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from publishing import blocks, marks
from publishing.deck import deck
from publishing.slides import html_of, write_decks

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9]*.ipynb"))
FEWEST, MOST = 25, 45
SHOWN = ("02_bayesian_classification", "05_dropout_as_variational_inference")
WITHOUT_NOTES = {"Summary", "Summary in five lines", "References", "Notation", "Glossary", "Is your machine ready?"}
PICTURE = new_output(
    "display_data", data={"image/png": "aWs="}, metadata={"image/png": {"alt": "six words for a small picture"}}
)


def read(path):
    return nbformat.read(path, as_version=4)


def slides(book):
    """The cells of each slide of a deck."""
    found = []
    for cell in deck(book).cells:
        if cell.metadata.slideshow.slide_type in ("slide", "subslide"):
            found.append([])
        found[-1].append(cell)
    return found


def sections(book):
    """The sections of a notebook, and whether each has something for the speaker."""
    noted, now = {}, None
    for cell in book.cells:
        headings = re.findall(r"^## (.+)$", cell.source, flags=re.MULTILINE) if cell.cell_type == "markdown" else []
        if headings:
            noted |= dict.fromkeys(headings, False)
            now = headings[0]
        if now and cell.metadata.get("speaker_notes"):
            noted[now] = True
        now = headings[-1] if headings else now
    return noted


# --- the marks of the notebooks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
class TestMarks:
    def test_the_deck_is_as_long_as_a_lecture(self, path):
        assert FEWEST <= len(slides(read(path))) <= MOST

    def test_every_section_begins_a_slide(self, path):
        book = read(path)
        openings = [cell.source for cells in slides(book) for cell in cells[:1]]
        wanted = [name for name in sections(book) if name != "References"]
        assert [name for name in wanted if not any(text.startswith(f"## {name}") for text in openings)] == []

    def test_every_section_has_notes_for_the_speaker(self, path):
        assert [name for name, noted in sections(read(path)).items() if not noted and name not in WITHOUT_NOTES] == []

    def test_notes_begin_with_minutes_that_fill_the_lecture(self, path):
        said = [cell.metadata.speaker_notes for cell in read(path).cells if "speaker_notes" in cell.metadata]
        assert sum(int(re.match(r"(\d+) min\. \w", text)[1]) for text in said) == 90
        assert all(2 <= len(blocks.sentences_of(text)) <= 6 for text in said)

    def test_exercises_predictions_and_explorers_are_tagged(self, path):
        for cell in read(path).cells:
            if cell.cell_type == "code":
                kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
                assert marks.doing(cell.source, kinds) <= set(cell.metadata.get("tags", ()))

    def test_every_cell_is_marked_and_code_on_a_slide_is_short(self, path):
        for cell in read(path).cells:
            assert cell.metadata.slideshow.slide_type in ("slide", "subslide", "fragment", "-", "skip")
            assert "slide-code" not in cell.metadata.get("tags", ()) or len(cell.source.splitlines()) <= 18


# --- the rules ---------------------------------------------------------------------------------------------------------------


def test_marking_twice_changes_nothing_and_marks_made_by_hand_stay():
    book = json.loads(PATHS[0].read_text())
    for cell in book["cells"]:
        cell["metadata"] = {}
    book["cells"][2]["metadata"] = {"slideshow": {"slide_type": "skip"}, "tags": ["mine"]}
    once = json.dumps(marks.mark(book))
    assert json.dumps(marks.mark(json.loads(once))) == once
    assert marks.mark(json.loads(once))["cells"][2]["metadata"] == {
        "slideshow": {"slide_type": "skip"},
        "tags": ["mine"],
    }


def test_marks_are_written_as_jupyter_writes(tmp_path):
    path = tmp_path / "book.ipynb"
    marks.write(path, json.loads(PATHS[0].read_text()))
    assert path.read_text() == nbformat.writes(read(PATHS[0])).rstrip("\n") + "\n"


def test_sentences_do_not_end_inside_formulas_code_or_abbreviations():
    text = "Take $p. A$ and `f. G`, e.g. The first. Is it so? **Yes.** It is."
    assert blocks.sentences_of(text) == ["Take $p. A$ and `f. G`, e.g. The first.", "Is it so?", "**Yes.**", "It is."]


def test_blocks_keep_code_and_formulas_whole():
    source = "# Title\nBeside it.\n\n$$\na\n\nb\n$$\n\n```\nx\n\ny\n```\n\n- one\n- two"
    assert blocks.blocks_of(source) == ["# Title", "Beside it.", "$$\na\n\nb\n$$", "```\nx\n\ny\n```", "- one\n- two"]


def test_a_choice_of_blocks_and_sentences():
    cell = ["## Head", "One. Two. Three.", "$$x$$"]
    assert blocks.show("0 1.0-1 | 2", cell) == [["## Head", "One. Two."], ["$$x$$"]]
    with pytest.raises(ValueError, match="3 blocks, got '3'"):
        blocks.show("3", cell)
    with pytest.raises(ValueError, match=r"block 1 has 3 sentences, got '1\.3'"):
        blocks.show("1.3", cell)


def test_long_text_is_cut_by_sentences_and_keeps_formulas():
    long = " ".join(["This sentence is one of the many that stand here."] * 20)
    (shown,) = blocks.condensed(["## Head", long, "So it is:", "$$x$$"])
    assert sum(blocks.words(text) for text in shown) <= blocks.MOST_WORDS
    assert shown[0] == "## Head" and shown[-2:] == ["So it is:", "$$x$$"]


def small_book():
    text = new_markdown_cell("Seen.\n\n## Next\n\nShown. Left for the notes.")
    text.metadata = {
        "slideshow": {"slide_type": "fragment"},
        "slide_blocks": "0 | 1 2.0",
        "speaker_notes": "3 min. Ask.",
    }
    drawing = new_code_cell("draw()", outputs=[PICTURE], metadata={"slideshow": {"slide_type": "-"}})
    return new_notebook(
        cells=[new_markdown_cell("# 00 · Why?", metadata={"slideshow": {"slide_type": "slide"}}), drawing, text]
    )


def test_what_a_slide_leaves_out_is_in_its_notes():
    first, second = slides(small_book())
    assert [cell.source for cell in first] == ["# 00 · Why?", "draw()", "Seen."]
    notes = second[1]
    assert notes.metadata.slideshow.slide_type == "notes" and notes.source.startswith("3 min. Ask.")
    assert "Left for the notes." in notes.source


def test_a_picture_hides_its_code_and_keeps_its_text():
    page = html_of(small_book())
    assert "draw()" not in page and 'alt="six words for a small picture"' in page
    assert page.count('<aside class="notes">') == 1


def test_a_table_that_a_cell_shows_is_on_its_slide():
    table = new_output("display_data", data={"text/markdown": "| a | b |\n| --- | --- |\n| one | two |"})
    verdicts = new_code_cell("verdicts(rows)", outputs=[table])
    assert marks.rule(verdicts, None) == ("subslide", set())
    verdicts.metadata = {"slideshow": {"slide_type": "subslide"}}
    page = html_of(new_notebook(cells=[new_markdown_cell("# 00 · Why?"), verdicts]))
    assert "<td>two</td>" in page and "verdicts(rows)" not in page


# --- in a browser, without a network ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decks(libraries, tmp_path_factory):
    out = tmp_path_factory.mktemp("slides")
    write_decks(out, [path for path in PATHS if path.stem in SHOWN])
    return out


def test_pages_name_no_other_server(decks):
    for page in decks.glob("*.html"):
        assert not re.search(r"""(src|href)=["'](https?:)?//[^"']+\.(js|css)""", page.read_text()), page.name
        assert all(
            (decks / name).exists()
            for name in re.findall(r'(?:src|href)="([\w/.-]+\.(?:js|css|html))"', page.read_text())
        )


@pytest.mark.parametrize("stem", SHOWN)
def test_a_deck_opens_from_disk_and_fits_the_screen(decks, browser, stem):
    page, bad = browser.new_page(viewport={"width": 1280, "height": 720}), []
    page.on("requestfailed", lambda request: bad.append(request.url))
    page.on("pageerror", lambda error: bad.append(str(error)))
    page.on("console", lambda said: bad.append(said.text) if said.type in ("error", "warning") else None)
    page.goto((decks / f"{stem}.html").as_uri())
    page.locator("body[data-ready]").wait_for(timeout=120_000)
    seen = page.evaluate("""() => {
        const slides = [...document.querySelectorAll(".slides section")].filter((one) => !one.querySelector("section"));
        const outside = [...document.querySelectorAll(".slides section > *, .slides .jp-MarkdownOutput")]
            .filter((one) => !one.closest("aside") && /\\$[^ ]/.test(one.innerText));
        return {
            slides: slides.length,
            scrolling: slides.filter((one) => one.classList.contains("scrolls")).length,
            small: slides.filter((one) => one.dataset.size < 0.74).length,
            formulas: document.querySelectorAll("mjx-container").length,
            wrong: document.querySelectorAll("[data-mml-node=merror]").length,
            raw: outside.map((one) => one.innerText),
            unseen: [...document.images].filter((one) => !one.naturalWidth || !one.alt).length,
            notes: document.querySelectorAll("aside.notes").length,
            slow: [...document.querySelectorAll(".fragment")]
                .filter((one) => getComputedStyle(one).transitionProperty !== "opacity").length,
        };
    }""")  # fmt: skip
    assert bad == []
    assert seen["slides"] == len(slides(read(FOLDER / f"{stem}.ipynb")))
    assert seen["formulas"] > 50 and seen["wrong"] == 0 and seen["raw"] == []
    assert seen["unseen"] == 0 and seen["notes"] >= 10
    assert seen["scrolling"] == 0 and seen["small"] <= 2
    assert seen["slow"] == 0, "a fragment whose letters change slowly is measured with those of another size"
    page.keyboard.press("Space")
    assert page.evaluate("Reveal.getSlidePastCount()") == 1
    page.close()


def test_the_speaker_sees_the_notes(decks, browser):
    page = browser.new_page()
    page.goto((decks / f"{SHOWN[0]}.html").as_uri())
    page.locator("body[data-ready]").wait_for(timeout=120_000)
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    view = opened.value
    view.locator(".speaker-controls-notes .value", has_text="3 min.").wait_for(timeout=60_000)
    for screen in ("current", "upcoming"):
        view.frame_locator(f"#{screen}-slide iframe").locator("body[data-ready]").wait_for(timeout=120_000)
    page.close()


def test_what_is_not_of_the_deck_is_refused(decks, browser, attack):
    page = browser.new_page()
    page.goto((decks / f"{SHOWN[0]}.html").as_uri())
    page.locator("body[data-ready]").wait_for(timeout=120_000)
    attack(page)
    page.goto((decks / "index.html").as_uri())
    attack(page)
    page.close()


def test_a_deck_runs_no_script_that_its_notebook_shows(browser, tmp_path, decks):
    shown = new_output("display_data", data={"text/markdown": "| <script>window.ran = 1</script> |\n| --- |\n| one |"})
    cells = [new_markdown_cell("# 00 · Why?\n\n<script>window.ran = 2</script>"), new_code_cell("f()", outputs=[shown])]
    path = tmp_path / "00_small.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    write_decks(tmp_path, [path])
    page = browser.new_page()
    page.goto((tmp_path / "00_small.html").as_uri())
    page.locator("body[data-ready]").wait_for(timeout=120_000)
    assert page.evaluate("[...document.scripts].filter((one) => one.text.includes('window.ran')).length") == 2
    assert page.evaluate("window.ran ?? null") is None
    page.close()
