"""The playground: TwoMoons as one HTML file in which the networks are trained in the browser.

    python -m publishing.playground build/playground.html

as `make playground` does. The page needs neither Python nor a network and opens from a disk as well as from a web site. Its
script is `playground/engine.js`, `worker.js` and `playground.js` with the widget engine's drawing, and serves as the worker's
script too. Colours and names come from `bal_utils.plotting`.
"""

import base64
import hashlib
import json
from pathlib import Path
from string import Template

from bal_scenes.browser import WIDGET, source
from bal_scenes.layers import DASH_OF, SHAPES
from bal_scenes.maps import colour_table
from bal_utils.plotting import CLASS_COLOURS, HEAT_MAP, PALETTE, STRATEGIES, WORD_COLOURS
from publishing.command import paths_given

HERE = Path(__file__).parent / "playground"
OFFERED = ("random", "margin", "entropy", "core_set", "epig", "bald", "batchbald")  # what engine.js can score
MOST_BYTES = 400_000
WORKER_BEGINS = "// What follows is the worker's too."


def looks() -> dict[str, dict[str, str]]:
    """Title, colour, dash and shape of each strategy that the playground offers."""
    shape_of = {marker: name for name, marker in reversed(SHAPES.items())}
    return {
        name: {"title": look.title, "colour": look.colour, "dash": DASH_OF[look.dash], "shape": shape_of[look.marker]}
        for name, look in ((name, STRATEGIES[name]) for name in OFFERED)
    }


def script() -> str:
    """All JavaScript of the page; what follows the comment is its worker's too."""
    constants = {
        "LOOKS": looks(),
        "PALETTE": PALETTE,
        "CLASS_COLOURS": CLASS_COLOURS[:2],
        "WORD_COLOURS": WORD_COLOURS,
        "HEAT_TABLE": base64.b64encode(colour_table(HEAT_MAP)).decode(),
    }
    told = "\n".join(f"const {name} = {json.dumps(value)};" for name, value in constants.items())
    ours = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("engine.js", "worker.js", "playground.js"))
    # a block, so that the names of one do not meet those of the other
    return f"{source(*WIDGET)}\n{WORKER_BEGINS}\n{{\n{told}\n{ours}\n}}\n"


def page() -> str:
    """The whole page. Raises ValueError where it is larger than a page that people send each other should be."""
    code = script()
    html = Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        style=source("canvas.css") + (HERE / "playground.css").read_text(encoding="utf-8"),
        script=code,
        sum=base64.b64encode(hashlib.sha256(code.encode()).digest()).decode(),
    )
    if len(html.encode()) > MOST_BYTES:
        raise ValueError(f"page: expected at most {MOST_BYTES:,} bytes, got {len(html.encode()):,}")
    return html


def write(path: Path) -> Path:
    """Writes the page; raises ValueError where there is no such folder."""
    if not path.parent.is_dir():
        raise ValueError(f"path: there is no folder {path.parent}")
    path.write_text(page(), encoding="utf-8")
    return path


if __name__ == "__main__":
    (place,) = paths_given("python -m publishing.playground OUT.html", at_most=1)
    written = write(place)
    print(f"{written}: {written.stat().st_size / 1000:.0f} kB")
