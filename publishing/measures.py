"""How long and how visible each lesson is: `python -m publishing.measures [NOTEBOOK...]`, a row a notebook.

Words of prose (no formulas, no code), lines of code that a reader sees, figures, cells, truth values printed where a
number belongs, the place of the first explorer in percent, links to other notebooks, folded cells, and words a minute of
a lecture of 90.
"""

import json
import re
import sys
from pathlib import Path

from publishing.links import pages

MINUTES = 90
NO_PROSE = re.compile(r"\$\$.*?\$\$|\$[^$]*\$|```.*?```|`[^`]*`|\]\([^)]*\)|<!--.*?-->", re.DOTALL)
NAMES = ("words", "code", "figures", "cells", "booleans", "play at %", "links", "folded", "words/min")


def is_folded(cell: dict) -> bool:
    """Whether a code cell opens with its code hidden, in JupyterLab and on the site."""
    return cell["metadata"].get("jupyter", {}).get("source_hidden", False)


def words(text: str) -> int:
    return len(re.findall(r"[A-Za-z][A-Za-z'’-]*", NO_PROSE.sub(" ", text)))


def measures(book: dict) -> dict[str, int | None]:
    """The measures of one notebook by their names."""
    cells = book["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    outputs = [output for cell in code for output in cell["outputs"]]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    explorers = [place for place, cell in enumerate(cells) if "explorer" in cell["metadata"].get("tags", ())]
    values = (
        words(prose),
        sum(len("".join(cell["source"]).splitlines()) for cell in code if not is_folded(cell)),
        len(pictures),
        len(cells),
        sum(len(re.findall(r"\b(?:True|False)\b", _text(output))) for output in outputs),
        round(100 * explorers[0] / len(cells)) if explorers else None,
        len(re.findall(r"\]\([^)]*\.ipynb", prose)),
        sum(map(is_folded, code)),
        round(words(prose) / MINUTES),
    )
    return dict(zip(NAMES, values, strict=True))


def _text(output: dict) -> str:
    texts = [output.get("text", ""), *(text for kind, text in output.get("data", {}).items() if kind == "text/plain")]
    return "".join("".join(text) for text in texts)


def table(paths: list[Path]) -> str:
    """A line a notebook."""
    lines = [" " * 44 + "".join(f"{name:>10}" for name in NAMES)]
    for path in paths:
        found = measures(json.loads(path.read_text(encoding="utf-8")))
        lines.append(f"{path.stem[:44]:<44}" + "".join(f"{'–' if v is None else v:>10}" for v in found.values()))
    return "\n".join(lines)


if __name__ == "__main__":
    named = [Path(name) for name in sys.argv[1:]]
    print(table(named or pages()))
