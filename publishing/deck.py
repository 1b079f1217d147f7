"""A notebook and its marks to the cells of a deck, which nbconvert's slides exporter turns into reveal.js.

The marks are those of marks.py. What a slide leaves out of a cell's text goes into that slide's speaker notes, so that nothing
is lost between the notebook and the lecture.
"""

import re
from dataclasses import dataclass, field

from nbformat.v4 import new_markdown_cell, new_notebook

from publishing.blocks import MOST_WORDS, blocks_of, condensed, level, show, words
from publishing.marks import is_table

LEFT_OUT = re.compile(r"^#+ References", re.MULTILINE)
EXERCISE = re.compile(r"#+ Exercise")
MOST_WORDS_BESIDE = 60  # below a picture
HIDE_INPUT = "hide-input-on-slide"


@dataclass
class Slide:
    """One screen: what it shows, whether it goes right or down from the last one, and what the speaker reads."""

    direction: str
    cells: list = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)


def mark(cell) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def deck(notebook):
    """A notebook that holds the deck's cells only, marked as the slides exporter reads them."""
    slides, section = [Slide("slide")], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            section = add_text(slides, cell, section)
        elif mark(cell) != "skip":
            add_code(slides, cell, section)
    cells = [cell for slide in slides if slide.cells for cell in finished(slide)]
    return new_notebook(cells=cells, metadata={**notebook.metadata, "title": title(notebook)})


def title(notebook) -> str:
    return blocks_of(notebook.cells[0].source)[0].removeprefix("# ")


def add_text(slides: list[Slide], cell, section: str) -> str:
    """Put a Markdown cell on the deck; returns the section in which the next cell lies."""
    blocks, kind, said = blocks_of(cell.source), mark(cell), cell.metadata.get("speaker_notes")
    groups = (
        show(cell.metadata["slide_blocks"], blocks) if "slide_blocks" in cell.metadata else shown_by_rule(blocks, kind)
    )
    for place, group in enumerate(groups):
        heading = level(group[0])
        if heading:
            section = re.sub(r"^#+ ", "", group[0])
            direction = "-" if joins(slides[-1], group) else "subslide" if heading > 2 else "slide"
        else:
            direction = kind if place == 0 else "subslide"
        begin(slides, direction, section, bare=not heading)
        slides[-1].cells.append(slide_cell(new_markdown_cell("\n\n".join(group)), direction))
        if said and (heading or not any(level(other[0]) for other in groups)):
            slides[-1].notes.append(said)
            said = None
    if said:
        slides[-1].notes.append(said)
    slides[-1].prose += left_out(blocks, groups)
    return section


def joins(slide: Slide, group: list[str]) -> bool:
    """Whether an exercise goes on the slide of the exercise before it, because both are short."""
    texts = [cell.source for cell in slide.cells if cell.cell_type == "markdown"]
    together = sum(words(text) for text in [*texts, *group])
    alike = texts and EXERCISE.match(texts[0]) and EXERCISE.match(group[0])
    return bool(alike) and together <= MOST_WORDS


def shown_by_rule(blocks: list[str], kind: str) -> list[list[str]]:
    """A skipped cell still shows its headings' slides: its mark speaks of the text before the first heading."""
    first = next((place for place, block in enumerate(blocks) if level(block)), len(blocks))
    before = (
        [] if kind == "skip" else condensed(blocks[:first], MOST_WORDS_BESIDE if kind == "fragment" else MOST_WORDS)
    )
    return [group for group in before + condensed(blocks[first:]) if not LEFT_OUT.search(group[0])]


def left_out(blocks: list[str], groups: list[list[str]]) -> list[str]:
    on_slides = {text for group in groups for text in group}
    return [block for block in blocks if block not in on_slides and not level(block)]


def add_code(slides: list[Slide], cell, section: str) -> None:
    """Put a code cell on the deck: its picture or table without code, or the code where it is marked to be shown."""
    begin(slides, mark(cell), section, bare=True)
    copy = cell.copy()
    pictures = [output for output in cell.outputs if "image/png" in output.get("data", {}) or is_table(output)]
    printed = [output for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"]
    copy.outputs = pictures or printed
    copy.metadata = type(cell.metadata)(tags=[] if "slide-code" in tags(cell) or not copy.outputs else [HIDE_INPUT])
    slides[-1].cells.append(slide_cell(copy, mark(cell)))
    if said := cell.metadata.get("speaker_notes"):
        slides[-1].notes.append(said)


def begin(slides: list[Slide], direction: str, section: str, bare: bool) -> None:
    """Open a slide where the mark asks for one; one without a heading of its own repeats its section's, small."""
    if direction in ("slide", "subslide"):
        slides.append(Slide(direction))
        if bare and section:
            slides[-1].cells.append(slide_cell(new_markdown_cell(f'<p class="running">{section}</p>'), direction))


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
