"""What a notebook stores of a run: `python -m publishing.stored NOTEBOOK...`, the last step of `make course`.

A widget is dead without its kernel. Where a picture or a page in HTML stands beside it in one output, that is stored and the
widget is not, so JupyterLab shows the picture until the cell is run, and the widget from then on. An output that is nothing
but a widget, as a progress bar is, goes. What a slow cell printed in pieces is stored in one. Cells tagged `answer`, which
show what a prediction asked, are stored with their output folded; it begins with a blank line, because JupyterLab shows the
first line of what is folded.
"""

import json
import sys
from pathlib import Path

WIDGET = "application/vnd.jupyter.widget-view+json"
BLANK = " \n"


def stored(notebook: dict) -> dict:
    """The notebook (as JSON), changed in place to what is stored of it; a second time changes nothing."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = in_one_piece([output for output in cell["outputs"] if not is_only_a_widget(output)])
            for output in cell["outputs"]:
                output.get("data", {}).pop(WIDGET, None)
            if "answer" in cell["metadata"].get("tags", ()):
                fold(cell)
    return notebook


def is_only_a_widget(output: dict) -> bool:
    """Whether nothing would be left of this output without its kernel."""
    return WIDGET in output.get("data", {}) and not output["data"].keys() - {WIDGET, "text/plain"}


def in_one_piece(outputs: list[dict]) -> list[dict]:
    """The outputs, with printed text that follows printed text joined to it; which pieces it came in is chance."""
    joined: list[dict] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == last.get("output_type") == "stream" and output["name"] == last["name"]:
            joined[-1] = last | {"text": "".join([*last["text"], *output["text"]]).splitlines(keepends=True)}
        else:
            joined.append(output)
    return joined


def fold(cell: dict) -> None:
    """Folds a cell's output, and begins it with a blank line."""
    cell["metadata"].setdefault("jupyter", {})["outputs_hidden"] = True
    for output in cell["outputs"][:1]:
        for texts, kind in (
            (output, "text"),
            *((output.get("data", {}), kind) for kind in ("text/plain", "text/markdown")),
        ):
            if kind in texts and not "".join(texts[kind]).startswith(BLANK):
                texts[kind] = (BLANK + "".join(texts[kind])).splitlines(keepends=True)


if __name__ == "__main__":
    from publishing.marks import write  # what only compares notebooks does without the packages that publish them

    for name in sys.argv[1:]:
        write(Path(name), stored(json.loads(Path(name).read_text(encoding="utf-8"))))
