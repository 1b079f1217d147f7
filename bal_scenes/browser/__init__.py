"""What runs in the browser: JavaScript, style sheets and the frame of a page, each file once.

Its JavaScript is one module in several files, read in the order of `WIDGET`: layers.js draws what a panel holds, draw.js
the scene around it, canvas.js keeps the picture up to date, staging.js plays it, input.js turns pointer and keys into
events. A page of stored scenes adds page.js, which stands in for Python.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
WIDGET = ("layers.js", "draw.js", "canvas.js", "staging.js", "input.js")


def source(*names: str) -> str:
    """The text of these files, one after another."""
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names)
