"""A reveal.js deck for each notebook, from its marks: `python -m publishing.slides OUT [NOTEBOOK...]`.

OUT/NN_topic.html opens from disk without a network; OUT/index.html lists the decks. Explorers are live, with stored scenes,
on pages in OUT/explorers; on paper they are pictures. In a deck arrow keys or space go on,
S opens the speaker's view with the notes, O shows all slides, ? lists the other keys. With `?print-pdf` behind the address it
can be printed to a PDF.
"""

import ast
import re
import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from publishing.command import paths_given
from publishing.deck import HIDE_INPUT, deck, title
from publishing.links import lessons
from publishing.policy import inline_scripts, with_policy
from publishing.site import write_explorers
from publishing.site_pages import PLAYGROUND, listed, titles
from publishing.vendor import vendor

TEMPLATES = Path(__file__).parent / "templates"
PLAYGROUND_STYLE = Path(__file__).parent / "playground" / "slide.css"
INDEX = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides: Bayesian active learning</title>
<link rel="stylesheet" href="deck.css">
</head>
<body class="index">
<h1>Slides: Bayesian active learning</h1>
<p>One lecture of 90 minutes for each notebook. The space bar goes on; the right arrow skips to the next section, the down arrow
goes through one. Explorers are live; after a click in one, click beside it before you press a key. S opens the speaker's view,
O shows all slides at once, and ? lists the other keys. For a PDF, put <code>?print-pdf</code> behind a deck's address and
print.</p>
<ul>
{items}
</ul>
</body>
</html>
"""


def exporter() -> SlidesExporter:
    settings = Config()
    settings.TagRemovePreprocessor.enabled = True
    settings.TagRemovePreprocessor.remove_input_tags = {HIDE_INPUT}
    return SlidesExporter(
        config=settings,
        template_name="deck",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )


def html_of(notebook, pages: Mapping[str, str] | None = None) -> str:
    """The page of one notebook's deck; it needs what `put_libraries` writes beside it, and the pages of these explorers."""
    return exporter().from_notebook_node(deck(notebook, pages))[0]


def put_libraries(out: Path) -> None:
    """What all decks share: reveal.js, MathJax, the style and the script."""
    vendor(out / "libraries")
    for name in ("deck.js", "mathjax.js"):
        shutil.copy(TEMPLATES / "deck" / name, out)
    colours = HtmlFormatter(style="friendly").get_style_defs(".highlight")
    (out / "deck.css").write_text((TEMPLATES / "deck" / "deck.css").read_text() + colours + "\n")


def put_explorers(out: Path) -> dict[str, str]:
    """Writes a page for each listed explorer, as it looks in a frame of a slide; gives their titles."""
    for page in write_explorers(out, back={}):
        file = PLAYGROUND_STYLE if page.stem == PLAYGROUND else TEMPLATES / "deck" / "explorer.css"
        begin, _, end = page.read_text(encoding="utf-8").rpartition("</body>")
        page.write_text(f"{begin}<style>\n{file.read_text(encoding='utf-8')}</style>\n</body>{end}", encoding="utf-8")
    return titles(listed())


def speaker_scripts(notes_plugin: str) -> list[str]:
    """The scripts of the speaker's view, a page that reveal.js writes from a text in its notes plugin.

    That page has the policy of the deck. Raises ValueError where the plugin has no such text.
    """
    written = re.search(r'\.document\.write\(("(?:[^"\\]|\\.)*")\)', notes_plugin)
    if written is None:
        raise ValueError("notes_plugin: expected a page for the speaker's view, got none")
    # Python reads the escapes of this text as JavaScript does, but for that of a slash
    text = re.sub(r"\\(.)", lambda escape: "/" if escape[1] == "/" else escape[0], written[1])
    return inline_scripts(ast.literal_eval(text))


def write_decks(out: Path, paths: list[Path]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    put_libraries(out)
    scripts = speaker_scripts((out / "libraries/reveal/plugin/notes/notes.js").read_text(encoding="utf-8"))
    pages = put_explorers(out / "explorers")
    items = []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        (out / f"{path.stem}.html").write_text(with_policy(html_of(notebook, pages), scripts), encoding="utf-8")
        items.append(f'<li><a href="{path.stem}.html">{escape(title(notebook))}</a></li>')
    index = with_policy(INDEX.format(items="\n".join(items)), scripts=())
    (out / "index.html").write_text(index, encoding="utf-8")


if __name__ == "__main__":
    place, *named = paths_given("python -m publishing.slides OUT [NOTEBOOK...]")
    write_decks(place, named or [*lessons().values()])
    print(f"{place}/index.html")
