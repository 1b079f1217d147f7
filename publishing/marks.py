"""Mark notebooks for the deck and the student edition: `python -m publishing.marks NOTEBOOK...`.

What a cell's metadata says:

    slideshow.slide_type   slide (a section), subslide (below it), fragment (comes when asked for), - (stays on the slide), skip
    slide_blocks           what of a Markdown cell is shown, and where slides break (blocks.py); without it a rule decides
    speaker_notes          text for the lecturer, on the slide of the cell's first heading, or of the cell
    tags                   exercise, prediction, explorer: the cell in which the learner does it
                           solution: cells that the student edition leaves out
                           slide-code: code that is shown on its slide; other code is hidden behind its picture

In a Markdown cell, slide_type speaks of the text before the first heading. A heading always begins a slide.
The command fills in what is missing by the rules below and leaves every mark that is there as it is; run it on a new notebook,
then change marks by hand: in JupyterLab they are under "Property inspector".
"""

import json
import re
import sys
from pathlib import Path

from publishing.blocks import ITEM, blocks_of, condensed, level, words

WIDGET = "application/vnd.jupyter.widget-view+json"


def rule(cell: dict, before: dict | None) -> tuple[str, set[str]]:
    """The slide type and the tags of a cell, from what it is and what comes before it."""
    if cell["cell_type"] == "markdown":
        return text_type(blocks_of("".join(cell["source"])), before), set()
    kinds = {kind for output in cell["outputs"] for kind in output.get("data", {})}
    tags = doing("".join(cell["source"]), kinds)
    if tags or not ("image/png" in kinds or any(map(is_table, cell["outputs"]))):
        return "skip", tags
    return ("-" if before is not None and leaves_room(before) else "subslide"), tags


def leaves_room(cell: dict) -> bool:
    """Whether a picture fits below what a text cell shows last."""
    if cell["cell_type"] != "markdown":
        return False
    slides = condensed(blocks_of("".join(cell["source"])))
    if not slides:
        return False
    return level(slides[-1][0]) > 1 and sum(words(text) for text in slides[-1]) <= 45 and "$$" not in str(slides[-1])


def text_type(blocks: list[str], before: dict | None) -> str:
    if level(blocks[0]):
        return "subslide" if level(blocks[0]) > 2 else "slide"
    blocks = blocks[: next((place for place, block in enumerate(blocks) if level(block)), None)]
    if any(block.startswith("**Predict") for block in blocks):
        short = sum(words(block) for block in blocks) <= 60
        return (
            "-" if short and before is not None and has_picture(before) else "subslide"
        )  # vote with the picture in view
    if before is not None and has_picture(before):
        return "subslide" if any(ITEM.match(block) for block in blocks) else "fragment"
    return "subslide" if any(block.startswith("$$") for block in blocks) else "skip"


def is_table(output: dict) -> bool:
    """Whether an output is a table in Markdown."""
    return "".join(output.get("data", {}).get("text/markdown", "")).startswith("|")


def has_picture(cell: dict) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))


def doing(source: str, kinds: set[str]) -> set[str]:
    """What the learner does in a code cell."""
    if re.search(r"prediction\w*\.check\(", source):
        return {"prediction"}
    if re.search(r"exercise\w*\.check\(|raise NotImplementedError", source):
        return {"exercise"}
    return {"explorer"} if WIDGET in kinds else set()


def mark(notebook: dict) -> dict:
    """The notebook with every missing mark filled in."""
    before = None
    for cell in notebook["cells"]:
        slide_type, tags = rule(cell, before)
        cell["metadata"].setdefault("slideshow", {}).setdefault("slide_type", slide_type)
        if tags - set(cell["metadata"].get("tags", ())):
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", ()), *sorted(tags)]
        if cell["cell_type"] == "markdown" or slide_type != "skip":
            before = cell
    return notebook


def write(path: Path, notebook: dict) -> None:
    """As Jupyter writes it, so that a difference shows marks only."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        write(Path(name), mark(json.loads(Path(name).read_text(encoding="utf-8"))))
