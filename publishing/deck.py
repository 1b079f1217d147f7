"""A notebook and its marks to the cells of a deck, which nbconvert's slides exporter turns into reveal.js.

The marks are those of marks.py. A figure, an explorer or a prediction has a slide of its own under a headline; text on other
slides is short. What a slide leaves out goes into its speaker notes, so that nothing is lost between notebook and lecture.
"""

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np
from nbformat.v4 import new_markdown_cell, new_notebook, new_output
from PIL import Image

from publishing.blocks import MOST_WORDS, blocks_of, condensed, fitted, level, sentences_of, show, words
from publishing.marks import is_table
from publishing.site_pages import explorer_of

LEFT_OUT = re.compile(r"^#+ References", re.MULTILINE)
EXERCISE = re.compile(r"#+ Exercise")
NO_SENTENCE = re.compile(r"#|[-*|>`] |\||\$\$|\d+\. |\*\*Predict")
MOST_WORDS_OF_HEADLINE = 20
HIDE_INPUT = "hide-input-on-slide"
CHECKED = "✓"
PREDICTION = 'class="bal-prediction"'
FOLDED = re.compile(r"<details([^>]*)><summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
INK = 200  # grey below it is no paper
HIGHEST_LETTERS = 24  # pixels of a line of a title where the figure has its own size
LIVE = '<iframe class="live" data-src="explorers/{kind}.html" title="Explorer: {title}"></iframe>'


@dataclass
class Slide:
    """One screen: what it shows, whether it goes right or down from the last one, and what the speaker reads."""

    direction: str
    whole: bool = False  # it shows one thing, and text that follows is for the speaker
    cells: list = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)


def mark(cell) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def deck(notebook, pages: Mapping[str, str] | None = None):
    """A notebook that holds the deck's cells only, marked as the slides exporter reads them.

    `pages` has the title of each explorer that lives on a page `explorers/KIND.html` beside the deck; others are pictures.
    """
    slides, section = [Slide("slide")], ""
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        if cell.cell_type == "markdown":
            section = add_text(slides, cell, section)
        elif screen := whole_screen(cell, after, section, pages or {}):
            add_whole(slides, cell, *screen, section)
        elif mark(cell) != "skip":
            add_code(slides, cell, section)
    cells = [cell for slide in slides if slide.cells for cell in finished(slide)]
    return new_notebook(cells=cells, metadata={**notebook.metadata, "title": title(notebook)})


def title(notebook) -> str:
    return blocks_of(notebook.cells[0].source)[0].removeprefix("# ")


# --- text -------------------------------------------------------------------------------------------------------------


def add_text(slides: list[Slide], cell, section: str) -> str:
    """Put a Markdown cell on the deck; returns the section in which the next cell lies."""
    blocks, kind, said = blocks_of(links_to_decks(cell.source)), mark(cell), cell.metadata.get("speaker_notes")
    groups = chosen_by_hand(cell, blocks) if "slide_blocks" in cell.metadata else shown_by_rule(blocks, kind)
    said_of_figure = blocks[: next((place for place, block in enumerate(blocks) if level(block)), len(blocks))]
    on_slides = []
    for place, group in enumerate(groups):
        heading = level(group[0])
        if heading:
            section = re.sub(r"^#+ ", "", group[0])
            direction = "-" if joins(slides[-1], group) else "subslide" if heading > 2 else "slide"
        elif slides[-1].whole and kind not in ("slide", "subslide") and place == 0:
            if not group[0].startswith("**Predict"):
                on_slides += said_of_figure
                slides[-1].prose += said_of_figure
                continue
            direction = "subslide"
        else:
            direction = kind if place == 0 else "subslide"
        on_slides += group
        begin(slides, direction, section, bare=not heading)
        slides[-1].cells.append(slide_cell(new_markdown_cell("\n\n".join(group)), direction))
        if said and (heading or not any(level(other[0]) for other in groups)):
            slides[-1].notes.append(said)
            said = None
    if said:
        slides[-1].notes.append(said)
    slides[-1].prose += [block for block in blocks if block not in on_slides and not level(block)]
    return section


def links_to_decks(text: str) -> str:
    """The text with its links to notebooks as links to their decks; other files of the course do not lie beside a deck."""
    text = re.sub(r"\]\((\d\d_\w+)\.ipynb[^)]*\)", r"](\1.html)", text)
    return re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\.(?:md|ipynb)[^)]*\)", r"\1", text)


def joins(slide: Slide, group: list[str]) -> bool:
    """Whether an exercise goes on the slide of the exercise before it, because both are short."""
    texts = [cell.source for cell in slide.cells if cell.cell_type == "markdown"]
    together = sum(words(text) for text in [*texts, *group])
    alike = texts and EXERCISE.match(texts[0]) and EXERCISE.match(group[0])
    return bool(alike) and together <= MOST_WORDS


def chosen_by_hand(cell, blocks: list[str]) -> list[list[str]]:
    """What the cell's mark chooses, still cut to a slide's words."""
    groups = show(cell.metadata["slide_blocks"], blocks)
    return [group if sum(map(words, group)) <= MOST_WORDS else fitted(group, MOST_WORDS) for group in groups]


def shown_by_rule(blocks: list[str], kind: str) -> list[list[str]]:
    """A skipped cell still shows its headings' slides: its mark speaks of the text before the first heading."""
    first = next((place for place, block in enumerate(blocks) if level(block)), len(blocks))
    before = [] if kind == "skip" else condensed(blocks[:first])
    return [group for group in before + condensed(blocks[first:]) if not LEFT_OUT.search(group[0])]


# --- figures, explorers, predictions ------------------------------------------------------------------------------------


def whole_screen(cell, after, section: str, pages: Mapping[str, str]) -> tuple[str, list, str] | None:
    """Headline, outputs and notes of a cell that has a slide of its own; None for any other cell.

    A prediction, the figure that answers it and an explorer are on the deck whatever the cell's mark says: they are what a
    class does.
    """
    if asked := [output for output in cell.outputs if PREDICTION in output.get("data", {}).get("text/html", "")]:
        html = asked[0].data["text/html"]
        return "Predict", [new_output("display_data", {"text/html": question(html)})], answers(html)
    pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
    kind = next(filter(None, map(explorer_of, cell.outputs)), None)
    if kind in pages:
        live = LIVE.format(kind=kind, title=escape(pages[kind], quote=True))
        return pages[kind], [new_output("display_data", {"text/html": live}), *pictures[:1]], ""
    if pictures and (mark(cell) != "skip" or kind or "answer" in tags(cell)):
        head = headline(cell, pictures[0], after, section)
        return head, [without_title(picture) for picture in pictures], ""
    return None


def question(html: str) -> str:
    """A prediction as a class sees it: the question and its choices, without hints and what is said to each choice."""
    asked = FOLDED.sub("", html).replace("<strong>Predict.</strong> ", "")
    choices = [words for told, words, _ in FOLDED.findall(html) if "data-choice" in told]
    listed = "".join(f"<li>{words}</li>" for words in choices) if len(choices) > 1 else ""  # one is a number's answer
    return asked + (f'<ul class="choices">{listed}</ul>' if listed else "")


def answers(html: str) -> str:
    """What a prediction says to each choice, and its hints, for the speaker."""
    return "\n\n".join(f"**{words}**: {re.sub('<[^>]+>', '', told).strip()}" for _, words, told in FOLDED.findall(html))


def headline(cell, picture, after, section: str) -> str:
    """What a figure shows: its mark, its title, the first sentence said about it, or its section, whichever is there first.

    Raises ValueError where the mark is longer than a headline.
    """
    marked = cell.metadata.get("slide_title", "")
    if words(marked) > MOST_WORDS_OF_HEADLINE:
        raise ValueError(
            f"slide_title: expected at most {MOST_WORDS_OF_HEADLINE} words, got {words(marked)}: {marked!r}"
        )
    own = escape(" ".join(title_of(picture).split()), quote=False)
    blocks = blocks_of(after.source) if after is not None and after.cell_type == "markdown" else []
    said = sentences_of(blocks[0])[0] if blocks and not NO_SENTENCE.match(blocks[0]) else ""
    said = "" if said.endswith(":") else said
    return next((text for text in (marked, own, said) if 0 < words(text) <= MOST_WORDS_OF_HEADLINE), section)


def title_of(picture) -> str:
    """The title that stands in a figure, as the cell that drew it has kept it."""
    return picture.get("metadata", {}).get("image/png", {}).get("title", "")


def without_title(picture):
    """The figure, and in its metadata the share of its height that its title takes, since a slide says the same in large.

    The share is measured in the picture: the first rows with ink, one run of them for each line, down to the blank row below.
    Where the first run is higher than letters are, something stands beside the title, and nothing is taken off.
    """
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.data["image/png"]))).convert("L"))
    inked = np.concatenate([[False], (drawn < INK).any(axis=1), [False]])
    begins, ends = np.flatnonzero(inked[1:] & ~inked[:-1]), np.flatnonzero(inked[:-1] & ~inked[1:])
    line = title_of(picture).count("\n")
    letters = HIGHEST_LETTERS * drawn.shape[1] / picture.metadata["image/png"].get("width", drawn.shape[1])
    if title_of(picture) and line < len(ends) - 1 and (ends - begins)[: line + 1].max() <= letters:
        picture = picture.copy()
        share = (ends[line] + 1) / len(drawn)
        picture.metadata = {"image/png": {**picture.metadata["image/png"], "title_share": round(float(share), 3)}}
    return picture


def add_whole(slides: list[Slide], cell, head: str, outputs: list, notes: str, section: str) -> None:
    """Put a figure, an explorer or a prediction on a slide of its own, which is its section's first if that has no text."""
    opening = slides[-1].cells
    if len(opening) == 1 and level(opening[0].source) > 1 and len(blocks_of(opening[0].source)) == 1:
        opening.clear()
    else:
        slides.append(Slide("slide" if mark(cell) == "slide" else "subslide"))
    slides[-1].whole = True
    running = [running_head(section)] if section and head != section else []
    copy = cell.copy()
    copy.outputs, copy.metadata = outputs, type(cell.metadata)(tags=[HIDE_INPUT])
    slides[-1].cells += [slide_cell(one, "-") for one in [*running, new_markdown_cell(f"### {head}"), copy]]
    slides[-1].notes += [said for said in (cell.metadata.get("speaker_notes"), notes) if said]


# --- code -------------------------------------------------------------------------------------------------------------


def folded(cell) -> bool:
    """Whether a cell's code is machinery, which the notebook shows only when asked."""
    return cell.metadata.get("jupyter", {}).get("source_hidden", False) or "hide-input" in tags(cell)


def printed(output) -> str:
    """What a cell prints, but for its checks."""
    text = output.text if output.output_type == "stream" and output.name == "stdout" else ""
    return "\n".join(line for line in text.splitlines() if not line.startswith(CHECKED)).strip()


def add_code(slides: list[Slide], cell, section: str) -> None:
    """Put a code cell on the deck: its table or what it prints, or the code where it is marked to be shown."""
    tables = [output for output in cell.outputs if is_table(output)]
    texts = [text for output in cell.outputs if (text := printed(output))]
    outputs = tables or [new_output("stream", name="stdout", text=f"{text}\n") for text in texts]
    with_code = "slide-code" in tags(cell) and not folded(cell)
    if not (with_code or outputs):
        return
    direction = mark(cell)
    if slides[-1].whole and direction not in ("slide", "subslide"):
        if not (tables or with_code):
            slides[-1].prose += [f"```\n{text}\n```" for text in texts]
            return
        direction = "subslide"
    begin(slides, direction, section, bare=True)
    copy = cell.copy()
    copy.outputs, copy.metadata = outputs, type(cell.metadata)(tags=[] if with_code else [HIDE_INPUT])
    slides[-1].cells.append(slide_cell(copy, direction))
    if said := cell.metadata.get("speaker_notes"):
        slides[-1].notes.append(said)


# --- slides -----------------------------------------------------------------------------------------------------------


def begin(slides: list[Slide], direction: str, section: str, bare: bool) -> None:
    """Open a slide where the mark asks for one; one without a heading of its own repeats its section's, small."""
    if direction in ("slide", "subslide"):
        slides.append(Slide(direction))
        if bare and section:
            slides[-1].cells.append(slide_cell(running_head(section), direction))


def running_head(section: str):
    return new_markdown_cell(f'<p class="running">{section}</p>')


def slide_cell(cell, direction: str):
    cell.metadata["slideshow"] = {"slide_type": direction}
    return cell


def finished(slide: Slide) -> list:
    """A slide's cells, the first of which opens it, and its notes, ahead of any fragment."""
    for cell in slide.cells[1:]:
        if mark(cell) != "fragment":
            cell.metadata["slideshow"] = {"slide_type": "-"}
    slide.cells[0].metadata["slideshow"] = {"slide_type": slide.direction}
    notes = "\n\n".join([*slide.notes, *(["**From the notebook**", *slide.prose] if slide.prose else [])])
    aside = [slide_cell(new_markdown_cell(notes), "notes")] if notes else []
    return slide.cells[:1] + aside + slide.cells[1:]
