"""Marks and decks: every lecture has a deck of a lecture's length that opens without a network and fits its screen."""

import base64
import functools
import io
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from publishing import blocks, marks, site, slides
from publishing.deck import MOST_WORDS_OF_HEADLINE, deck
from publishing.policy import with_policy
from publishing.slides import html_of, write_decks

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("[0-9]*.ipynb"))
FEWEST, MOST = 25, 50
NOMINAL = 11 * 96 / 72  # pixels of a figure's smallest letters where it has its own size
SMALLEST = 12  # pixels of a letter on a screen of 720 lines, for the last row
FIGURE_ROOM = (1200, 560)
SHOWN = ("02_bayesian_classification", "05_dropout_as_variational_inference")
WITHOUT_NOTES = {"Summary", "Summary in five lines", "References", "Notation", "Glossary", "Is your machine ready?"}


DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def read(path):
    return nbformat.read(path, as_version=4)


def screens(book, pages=None):
    """The cells of each slide of a deck."""
    found = []
    for cell in deck(book, pages).cells:
        if cell.metadata.slideshow.slide_type in ("slide", "subslide"):
            found.append([])
        found[-1].append(cell)
    return found


def size_of(png):
    """Width and height of a stored picture."""
    return Image.open(io.BytesIO(base64.b64decode(png))).size


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
        assert FEWEST <= len(screens(read(path))) <= MOST

    def test_every_section_begins_a_slide(self, path):
        book = read(path)
        openings = [cell.source for cells in screens(book) for cell in cells[:1]]
        wanted = [name for name in sections(book) if name != "References"]
        heads = ("## {}", "### {}", '<p class="running">{}</p>')
        assert [
            name
            for name in wanted
            if not {head.format(name) for head in heads} & {text.split("\n")[0] for text in openings}
        ] == []

    def test_every_section_has_notes_for_the_speaker(self, path):
        assert [name for name, noted in sections(read(path)).items() if not noted and name not in WITHOUT_NOTES] == []

    def test_notes_begin_with_minutes_that_fill_the_lecture(self, path):
        said = [cell.metadata.speaker_notes for cell in read(path).cells if "speaker_notes" in cell.metadata]
        assert sum(int(re.match(r"(\d+) min\. \w", text)[1]) for text in said) == 90
        assert all(2 <= len(blocks.sentences_of(text)) <= 6 for text in said)

    def test_exercises_predictions_and_explorers_are_tagged(self, path):
        for cell in read(path).cells:
            if cell.cell_type == "code":
                assert marks.doing(cell) <= set(cell.metadata.get("tags", ()))

    def test_a_figure_stands_alone_under_a_headline(self, path):
        for cells in screens(read(path)):
            if any("image/png" in output.get("data", {}) for cell in cells for output in cell.get("outputs", ())):
                *_, headline, figure = [cell for cell in cells if cell.metadata.slideshow.slide_type != "notes"]
                assert headline.source.startswith("### ") and len(cells) <= 4
                assert blocks.words(headline.source) <= MOST_WORDS_OF_HEADLINE and len(figure.outputs) == 1

    def test_the_letters_of_figures_can_be_read_from_the_last_row(self, path):
        small = []
        for cell in deck(read(path)).cells:
            for output in cell.get("outputs", ()):
                told = output.get("metadata", {}).get("image/png", {})
                if "width" in told:
                    wide, high = size_of(output.data["image/png"])
                    shape = wide / high / (1 - told.get("title_share", 0))
                    scale = min(FIGURE_ROOM[0], FIGURE_ROOM[1] * shape) / told["width"]
                    small += [told["alt"]] * (NOMINAL * scale < SMALLEST)
        assert small == [], "draw fewer panels, or mark the cell skip"

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


def code_cell(source="draw()", *outputs, tags=(), kind="subslide", **metadata):
    told = {"slideshow": {"slide_type": kind}, "tags": list(tags)} | metadata
    return new_code_cell(source, outputs=list(outputs), metadata=told)


def text_cell(source, kind="fragment", **metadata):
    return new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}} | metadata)


def picture(title="", alt="six words for a small picture"):
    return new_output("display_data", {"image/png": DOT}, metadata={"image/png": {"alt": alt, "title": title}})


def small_book(*cells):
    return new_notebook(cells=[text_cell("# 00 · Why?", "slide"), *cells])


def shown(book, **pages):
    """What each slide shows, without its notes: sources of text, and what code cells put out."""
    found = []
    for cells in screens(book, pages):
        on_screen = [cell for cell in cells if cell.metadata.slideshow.slide_type != "notes"]
        found.append([cell.source if cell.cell_type == "markdown" else cell.outputs for cell in on_screen])
    return found


def notes_of(cells):
    return "\n".join(cell.source for cell in cells if cell.metadata.slideshow.slide_type == "notes")


def test_what_a_slide_leaves_out_is_in_its_notes():
    text = text_cell(
        "Seen.\n\n## Next\n\nShown. Left for the notes.", slide_blocks="0 | 1 2.0", speaker_notes="3 min. Ask."
    )
    _, figure, last = screens(small_book(code_cell("draw()", picture()), text))
    assert "Seen." in notes_of(figure)
    assert notes_of(last).startswith("3 min. Ask.") and "Left for the notes." in notes_of(last)


@pytest.mark.parametrize(
    ("marked", "title", "after", "headline"),
    [
        ({"slide_title": "Chosen."}, "Drawn", "Said. More.", "Chosen."),
        ({}, "a < b", "Said. More.", "a &lt; b"),
        ({}, "", "Said. More.", "Said."),
        ({}, "", "word " * 30, "Section"),
        ({}, "", "**Predict.** Which?", "Section"),
        ({}, "", "- one\n- two", "Section"),
        ({}, "", "## Next", "Section"),
    ],
)
def test_the_headline_of_a_figure_says_what_it_shows(marked, title, after, headline):
    book = small_book(text_cell("## Section", "slide"), code_cell("draw()", picture(title), **marked), text_cell(after))
    figure = shown(book)[1]
    assert figure[-2] == f"### {headline}"
    assert figure[:-2] == ([] if headline == "Section" else ['<p class="running">Section</p>'])


def test_a_headline_that_is_a_paragraph_is_refused():
    with pytest.raises(ValueError, match="slide_title: expected at most 20 words, got 21"):
        deck(small_book(code_cell("draw()", picture(), slide_title="word " * 21)))


def test_a_figure_never_shares_its_slide_with_text_and_its_section_opens_with_it_or_with_text():
    book = small_book(
        text_cell("## One", "slide"), code_cell("draw()", picture("Rises"), kind="-"), text_cell("So it rises. Why?"),
        text_cell("## Two\n\nSome text.", "slide"), code_cell("draw()", picture("Falls"), kind="-"),
        code_cell("print()", new_output("stream", name="stdout", text="0.83\n"), kind="fragment"),
        text_cell("**Predict.** Which?", "-"),
    )  # fmt: skip
    assert [[text for text in slide if isinstance(text, str)] for slide in shown(book)[1:]] == [
        ['<p class="running">One</p>', "### Rises"], ["## Two\n\nSome text."], ['<p class="running">Two</p>', "### Falls"],
        ['<p class="running">Two</p>', "**Predict.** Which?"],
    ]  # fmt: skip
    assert "So it rises. Why?" in notes_of(screens(book)[1]) and "0.83" in notes_of(screens(book)[3])


def test_folded_code_and_checks_are_not_on_the_deck():
    checked = new_output("stream", name="stdout", text="✓ equal to the package's\n")
    both = new_output("stream", name="stdout", text="lead 0.02\n✓ equal to the package's\n")
    folded = {"jupyter": {"source_hidden": True}}
    book = small_book(
        code_cell("a()", checked, **folded), code_cell("b()", tags=["hide-input"]), code_cell("c()", both, tags=["slide-code"]),
        code_cell("d()", picture("Seen"), tags=["hide-input"]),
    )  # fmt: skip
    page = html_of(book)
    assert "✓" not in page and not re.search(r"[abd]\W*\(", re.sub("<[^>]+>", "", page.split("</head>")[1]))
    assert "lead 0.02" in page and "Seen" in page and len(screens(book)) == 3


def test_a_prediction_shows_question_and_choices_and_tells_the_speaker_the_answers():
    told = ["A", "B"]
    choices = "".join(
        f'<details data-choice="{one}"><summary>the {one}</summary><p><b>✗</b> because {one}</p></details>'
        for one in told
    )
    hint = "<details><summary>Hint</summary><p>Think of C.</p></details>"
    html = f'<div class="bal-prediction"><p><strong>Predict.</strong> Which?</p>{choices}{hint}</div>'
    asked = code_cell("ask()", new_output("display_data", {"text/html": html}), kind="skip", tags=["prediction"])
    book = small_book(
        text_cell("## Section", "slide"), asked, code_cell("draw()", picture("It was A"), tags=["answer"])
    )
    _, question, answer = screens(book)
    page = html_of(new_notebook(cells=[cell for cell in question if cell.metadata.slideshow.slide_type != "notes"]))
    assert "Which?" in page and "<li>the A</li><li>the B</li>" in page
    assert "because" not in page and "Hint" not in page
    for told in ("**the A**: ✗ because A", "because B", "**Hint**: Think of C."):
        assert told in notes_of(question)
    assert answer[-2].source == "### It was A"


def test_a_prediction_of_a_number_shows_no_answer():
    answer = '<details data-choice="answer"><summary>The answer</summary>7</details>'
    html = f'<div class="bal-prediction"><p>How many?</p>{answer}</div>'
    page = html_of(small_book(code_cell("ask()", new_output("display_data", {"text/html": html}))))
    assert (
        "How many?" in page
        and "<li>" not in page
        and "<p><strong>The answer</strong>: 7</p>" in page.split("<aside")[1]
    )


def drawn(*rows, title="Rises"):
    """A figure of 100 by 100 pixels with ink in these rows."""
    pixels = np.full((100, 100), 255, dtype=np.uint8)
    for first, last in rows:
        pixels[first:last, 10:50] = 0
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, format="png")
    output = picture(title)
    output.data["image/png"] = base64.b64encode(png.getvalue()).decode()
    return output


@pytest.mark.parametrize(
    ("figure", "share"),
    [
        (drawn((5, 15), (20, 90)), 0.16),
        (drawn((5, 15), (17, 27), (33, 90), title="Rises\nat last"), 0.28),
        (drawn((5, 15), (20, 90), title=""), None),  # it has no title
        (drawn((5, 40), (45, 90)), None),  # something stands beside the title
        (drawn((5, 15)), None),  # nothing else is there
    ],
)
def test_a_title_that_the_headline_repeats_is_taken_off_the_figure(figure, share):
    (_, (*_, (shown_output,))) = shown(small_book(code_cell("draw()", figure)))
    assert shown_output.metadata["image/png"].get("title_share") == share


def test_links_lead_to_decks_and_not_to_files_that_are_not_there():
    text = "See [notebook 01](01_a.ipynb#b), [MAP](glossary.md#map), [more](further/01_b.ipynb), [this](https://a.org/b.md)."
    ((_, seen),) = [shown(small_book(text_cell(text, "subslide")))[1]]
    assert seen == "See [notebook 01](01_a.html), MAP, more, [this](https://a.org/b.md)."


def test_an_explorer_lives_in_a_frame_where_it_has_a_page_and_is_a_picture_elsewhere():
    data = {"image/png": DOT, "text/plain": " \nTheStar explorer (runs in a live notebook)"}
    output = new_output("display_data", data, metadata={"image/png": {"alt": "The star among the patients, and bars."}})
    book = small_book(code_cell("explorer", output, kind="skip", tags=["explorer"]))
    live, alone = html_of(book, {"TheStar": "How sure?"}), html_of(book)
    assert 'data-src="explorers/TheStar.html"' in live and 'title="Explorer: How sure?"' in live
    assert "<iframe" not in alone
    assert all('alt="The star among the patients, and bars."' in page for page in (live, alone))


def test_a_picture_hides_its_code_and_keeps_its_text():
    page = html_of(small_book(code_cell("draw()", picture()), text_cell("Seen.")))
    assert "draw()" not in page and 'alt="six words for a small picture"' in page
    assert page.count('<aside class="notes">') == 1


def test_links_between_notebooks_and_badges_are_not_on_slides():
    text = "# 00 · Why?\n\n<!-- way -->\n[← 10](10.ipynb)<!-- /way -->\n\n<!-- hosted -->badge<!-- /hosted -->\n\nText."
    assert blocks.blocks_of(text) == ["# 00 · Why?", "Text."]


def test_a_table_that_a_cell_shows_is_on_its_slide():
    table = new_output("display_data", data={"text/markdown": "| a | b |\n| --- | --- |\n| one | two |"})
    verdicts = new_code_cell("verdicts(rows)", outputs=[table])
    assert marks.rule(verdicts, None) == ("subslide", set())
    verdicts.metadata = {"slideshow": {"slide_type": "subslide"}}
    page = html_of(new_notebook(cells=[new_markdown_cell("# 00 · Why?"), verdicts]))
    assert "<td>two</td>" in page and "verdicts(rows)" not in page


# --- in a browser, without a network ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few_explorers(tmp_path_factory):
    """One explorer with two scenes: to compute all takes minutes."""
    one = {"TheStar": site.listed()["TheStar"] | {"fields": {"prior_width": [1, 10]}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "listed", lambda: one)
        patch.setattr(slides, "listed", lambda: one)
        cached = functools.partial(site.write_explorers, cache=tmp_path_factory.mktemp("explorers"))
        patch.setattr(slides, "write_explorers", cached)
        yield


@pytest.fixture(scope="module")
def decks(libraries, few_explorers, tmp_path_factory):
    out = tmp_path_factory.mktemp("slides")
    write_decks(out, [path for path in PATHS if path.stem in SHOWN])
    return out


def test_pages_name_no_other_server(decks):
    others = {f"{path.stem}.html" for path in PATHS}  # decks that this test has not built
    for page in decks.glob("*.html"):
        text = page.read_text()
        assert not re.search(r"""(src|href)=["'](https?:)?//[^"']+\.(js|css)""", text), page.name
        named = set(re.findall(r'(?:src|href)="([\w/.-]+\.(?:js|css|html))"', text))
        assert [name for name in named - others if not (decks / name).exists()] == []


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
            narrow: [...document.querySelectorAll(".slides img")].filter((one) => !one.closest(".jp-CodeCell:has(iframe)"))
                .filter((one) => parseFloat(one.style.height) < 480 && one.naturalWidth / one.naturalHeight < 2).length,
            notes: document.querySelectorAll("aside.notes").length,
            slow: [...document.querySelectorAll(".fragment")]
                .filter((one) => getComputedStyle(one).transitionProperty !== "opacity").length,
        };
    }""")  # fmt: skip
    assert bad == []
    assert seen["slides"] == len(screens(read(FOLDER / f"{stem}.ipynb")))
    assert seen["formulas"] > 50 and seen["wrong"] == 0 and seen["raw"] == []
    assert seen["unseen"] == seen["narrow"] == 0 and seen["notes"] >= 10
    assert seen["scrolling"] == 0 and seen["small"] <= 2
    assert seen["slow"] == 0, "a fragment whose letters change slowly is measured with those of another size"
    page.keyboard.press("Space")
    assert page.evaluate("Reveal.getSlidePastCount()") == 1
    page.close()


def test_an_explorer_answers_on_its_slide_from_disk_and_is_a_picture_on_paper(decks, browser, tmp_path):
    page, bad = browser.new_page(viewport={"width": 1280, "height": 720}), []
    page.on("console", lambda said: bad.append(said.text) if said.type in ("error", "warning") else None)
    data = {"image/png": DOT, "text/plain": "TheStar explorer (runs in a live notebook)"}
    output = new_output("display_data", data, metadata={"image/png": {"alt": "The star among the patients, and bars."}})
    deck_page = decks / "small.html"
    book = small_book(code_cell("explorer", output, kind="skip"))
    deck_page.write_text(with_policy(html_of(book, {"TheStar": "How sure?"}), ()), encoding="utf-8")
    page.goto(deck_page.as_uri())
    page.locator("body[data-ready]").wait_for(timeout=120_000)
    page.keyboard.press("Space")
    frame = page.frame_locator("iframe.live")
    frame.locator("canvas[data-drawn]").wait_for(timeout=60_000)
    before = frame.locator(".bal-status").inner_text()
    frame.locator('input[type="range"]').first.press("ArrowRight")
    assert frame.locator(".bal-status").inner_text() != before and bad == []
    assert page.locator("img").is_hidden()
    high, room = frame.locator("html").evaluate("(root) => [root.scrollHeight, innerHeight]")
    assert high <= room, "the explorer fits its frame"
    page.goto(f"{deck_page.as_uri()}?print-pdf")
    page.locator("body[data-ready]").wait_for(timeout=120_000)
    assert page.locator("img").is_visible() and page.locator("iframe.live").is_hidden()
    page.close()


def test_the_speaker_sees_the_notes(decks, browser):
    page = browser.new_page()
    page.goto((decks / f"{SHOWN[0]}.html").as_uri())
    page.locator("body[data-ready]").wait_for(timeout=120_000)
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    view = opened.value
    view.locator(".speaker-controls-notes .value", has_text=re.compile(r"^\s*\d+ min\.")).wait_for(timeout=60_000)
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
