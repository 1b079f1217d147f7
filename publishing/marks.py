"""Mark notebooks for the deck and the student edition: `python -m publishing.marks NOTEBOOK...`.

What a cell's metadata says:

    slideshow.slide_type   slide (a section), subslide (below it), fragment (comes when asked for), - (stays on the slide), skip
    slide_blocks           what of a Markdown cell is shown, and where slides break (blocks.py); without it a rule decides
    slide_title            the headline above a cell's figure, at most 20 words; without it the figure's title, if it has one,
                           or the first sentence of the text that follows
    speaker_notes          text for the lecturer, on the slide of the cell's first heading, or of the cell
    tags                   exercise, prediction, explorer: the cell in which the learner does it
                           answer: cells that show what a prediction asked, folded until it is answered
                           solution: cells that the student edition leaves out
                           hide-input (with jupyter.source_hidden): code that is folded away
                           slide-code: code that is shown on its slide; other code is hidden behind its picture

In a Markdown cell, slide_type speaks of the text before the first heading. A heading always begins a slide. A figure has a
slide of its own, and text that follows it goes into its notes; predictions, their answers and explorers
are on the deck whatever their mark.
The command fills in what is missing by the rules below and leaves every mark that is there as it is; run it on a new notebook,
then change marks by hand: in JupyterLab they are under "Property inspector".
"""

import json
import re
import sys
from pathlib import Path

from publishing.blocks import ITEM, blocks_of, level
from publishing.site_pages import EXPLORER


def rule(cell: dict, before: dict | None) -> tuple[str, set[str]]:
    """The slide type and the tags of a cell, from what it is and what comes before it."""
    if cell["cell_type"] == "markdown":
        return text_type(blocks_of("".join(cell["source"])), before), set()
    tags = doing(cell)
    alone = "exercise" not in tags and (has_picture(cell) or any(map(is_table, cell["outputs"])))
    return ("subslide" if alone or "prediction" in tags else "skip"), tags


def text_type(blocks: list[str], before: dict | None) -> str:
    if level(blocks[0]):
        return "subslide" if level(blocks[0]) > 2 else "slide"
    blocks = blocks[: next((place for place, block in enumerate(blocks) if level(block)), None)]
    if any(block.startswith(("**Predict", "$$")) for block in blocks):
        return "subslide"
    listed = any(ITEM.match(block) for block in blocks)
    return "subslide" if listed and before is not None and has_picture(before) else "skip"


def is_table(output: dict) -> bool:
    """Whether an output is a table in Markdown."""
    return "".join(output.get("data", {}).get("text/markdown", "")).lstrip().startswith("|")


def has_picture(cell: dict) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell.get("outputs", ()))


def doing(cell: dict) -> set[str]:
    """What the learner does in a code cell."""
    source = "".join(cell["source"])
    if re.search(r"prediction\w*\.check\(|\.ask\(", source):
        return {"prediction"}
    if re.search(r"exercise\w*\.check\(|raise NotImplementedError", source):
        return {"exercise"}
    said = ["".join(output.get("data", {}).get("text/plain", "")) for output in cell["outputs"]]
    return {"explorer"} if any(map(EXPLORER.match, said)) else set()


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
