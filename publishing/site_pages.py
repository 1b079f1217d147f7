"""The pages of the web site as text: nothing is said twice, all is made from the notebooks and the README.

First the front page, from the README and the pictures of the notebooks; then a notebook as the site shows it; last what
stands for an explorer.
"""

import base64
import io
import re
import tomllib
from bisect import bisect_right
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath
from string import Template

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output
from PIL import Image

from publishing.hosted import BADGES, TAG
from publishing.links import ASIDE
from publishing.stored import WIDGET

HERE = Path(__file__).parent / "site"
ROW = re.compile(r"^\| \[(\d\d) ([^\]]+)\]\([^)]*\) \| ([^|]+?) \|", re.MULTILINE)
PLAYGROUND = "TwoMoons"  # the explorer whose page trains its networks itself
PLAYGROUND_TITLE = "Which label would teach most?"
EXPLORER = re.compile(r"\s*(\w+) explorer \(runs in")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)]*)\)")
BESIDE = re.compile(r'href="(\d\d_\w+)\.ipynb"')  # a link in HTML to a notebook, as the overview of exercises has them
DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
# a paper's number; code, formulas, links and headings are passed over
ARXIV = re.compile(rf"{ASIDE.pattern}|arXiv:(\d{{4}}\.\d{{4,5}})", ASIDE.flags)
THUMBNAIL = (480, 240)
CARD = """<li><a href="{stem}.html">
<img src="_static/thumbnails/{number}.png" alt="" width="480" height="240" loading="lazy">
<small>{part}</small><strong>{number} · {name}</strong><span>{question}</span></a></li>"""
NOTE = (
    '\n\n<p class="bal-note">You see this notebook with its stored outputs. '
    'To change it, to move everything and to have your exercises checked, <a href="{up}index.html#how-to-start">run it</a>, '
    'or take <a href="{up}notebooks/{name}.ipynb" download>the file</a>.</p>'
)
FRAME = """<div class="bal-live">
<iframe src="{address}" title="Explorer: {title}" loading="lazy"></iframe>
<p><a href="{address}">This explorer on a page of its own</a></p>
</div>"""
LIVE_ONLY = (
    '<p class="bal-needs-python">This explorer needs Python: its picture is here, and it answers in the notebook.</p>'
)


# --- the front page -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of the README's table: a notebook's number, name and question."""

    number: str
    name: str
    question: str


def rows_of(readme: str) -> list[Row]:
    rows = [Row(*found) for found in ROW.findall(readme)]
    if not rows:
        raise ValueError("README: expected rows such as | [01 Name](notebooks/…) | Question? |, got none")
    return rows


def section(text: str, heading: str) -> str:
    """What stands under the heading that begins with these words, up to the next heading of its level or above."""
    found = re.search(rf"^(##+) {re.escape(heading)}[^\n]*\n(.*?)(?=^##? |\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"text: expected a heading that begins with {heading!r}, got none")
    return found[2].strip()


def first_paragraph(readme: str) -> str:
    """The first paragraph of plain words after the title."""
    for block in re.split(r"\n\s*\n", readme)[1:]:
        if re.match(r"[A-Z]", block.strip()):
            return block.strip()
    raise ValueError("README: expected a paragraph of plain words after the title, got none")


def start(readme: str) -> str:
    """The section of the README that has `make lab`, with links to files of the repository as plain words."""
    for heading in re.findall(r"^## (.+)$", readme, re.MULTILINE):
        body = section(readme, heading)
        if re.search(r"^(    )?make lab\b", body, re.MULTILINE):
            return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", body)
    raise ValueError("README: expected a section with `make lab`, got none")


def part_of(number: str) -> str:
    """The name of the part to which a notebook's number belongs."""
    parts = tomllib.loads((HERE / "parts.toml").read_text(encoding="utf-8"))
    return list(parts)[bisect_right(list(parts.values()), number) - 1]


def cards(rows: list[Row], stems: Mapping[str, str]) -> str:
    """A card for each notebook that is there; `stems` has the file's name for each number."""
    items = [
        CARD.format(
            stem=stems[row.number],
            number=row.number,
            part=part_of(row.number),
            name=escape(row.name),
            question=escape(row.question),
        )
        for row in rows
        if row.number in stems
    ]
    return raw_html("\n".join(['<ul class="bal-cards">', *items, "</ul>"]))


def raw_html(html: str) -> str:
    return f"```{{raw}} html\n{html}\n```"


def contents(stems: Mapping[str, str], pages: Collection[str]) -> str:
    """The table of contents: the notebooks by part, then the pages that are no notebooks."""
    parts: dict[str, list[str]] = {}
    for number, stem in stems.items():
        parts.setdefault(part_of(number), []).append(stem)
    if pages:
        parts["To look up"] = sorted(pages)
    return "\n\n".join(toctree(names, f":caption: {part}") for part, names in parts.items())


def toctree(names: Collection[str], *options: str) -> str:
    return "\n".join(["```{toctree}", ":hidden:", *options, "", *names, "```"])


def front_page(readme: str, start_here: str, stems: Mapping[str, str], pages: Collection[str], title: str) -> str:
    """The first page, from the README and the advice to the hurried in notebook 00."""
    hurry = re.search(r"In a hurry\?.*?(?=\n\n|\Z)", start_here, re.DOTALL)
    return Template((HERE / "index.md").read_text(encoding="utf-8")).substitute(
        title=title,
        description=first_paragraph(readme),
        explorer=raw_html(frame(PLAYGROUND)),
        cards=cards(rows_of(readme), stems),
        hurry=hurry[0] if hurry else "",
        start=start(readme),
        contents=contents(stems, pages),
    )


def thumbnail(book: NotebookNode) -> Image.Image:
    """A small picture of the notebook: that of the cell tagged `thumbnail`, else of its first explorer, else its first.

    Raises ValueError where the notebook shows no picture at all.
    """
    shown = [
        ("thumbnail" not in cell.metadata.get("tags", []), explorer_of(output) is None, output.data["image/png"])
        for cell in book.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    if not shown:
        raise ValueError(f"book: expected a picture for its card in {book.cells[0].source[:40]!r}, got none")
    png = min(shown, key=lambda one: one[:2])[-1]
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    picture.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    paper = Image.new("RGB", THUMBNAIL, "white")
    paper.paste(picture, ((THUMBNAIL[0] - picture.width) // 2, (THUMBNAIL[1] - picture.height) // 2))
    return paper


# --- notebooks --------------------------------------------------------------------------------------------------------


def published(notebook: NotebookNode, name: str, pages: Collection[str], further: Collection[str] = ()) -> NotebookNode:
    """The notebook for the site.

    `name` is its address without the suffix, `pages` has the file names of all pages, and `further` the addresses of those
    that stand under this one in the table of contents.
    """
    book = deepcopy(notebook)
    book.metadata.pop("widgets", None)
    book.cells = [cell for cell in book.cells if TAG not in cell.metadata.get("tags", [])]
    up = "../" * name.count("/")
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(BADGES.sub("", cell.source), pages)
        else:
            cell.outputs = [shown for output in cell.outputs for shown in shown_outputs(output, up)]
            keep_text(cell)
            if "prediction" in cell.metadata.get("tags", []):
                cell.metadata.tags.append("remove-input")
    book.cells[0].source += NOTE.format(name=name, up=up)
    if further:
        book.cells.append(new_markdown_cell(toctree(further)))
    return book


def linked(text: str, pages: Collection[str]) -> str:
    """Markdown with links to papers, and without links to files that are no pages of the site."""
    text = DISPLAY.sub(lambda formula: without_split(formula[0]), text)
    text = LINK.sub(lambda link: kept_link(link, pages), text)
    return ARXIV.sub(
        lambda found: f"[arXiv:{found[1]}](https://arxiv.org/abs/{found[1]})" if found[1] else found[0], text
    )


def without_split(formula: str) -> str:
    r"""A formula that Sphinx leaves as it is: it wraps those with \\\\ in a split environment, where \tag is refused."""
    return formula.replace("\\\\", r"\cr ") if r"\tag" in formula else formula


def kept_link(link: re.Match, pages: Collection[str]) -> str:
    """A link to a page, to a heading or to the world; one to anything else is its words.

    JupyterLab's name of a heading is the heading with dashes for spaces; Sphinx takes it in small letters, without stops.
    """
    words, (target, mark, heading) = link[1], link[2].partition("#")
    if re.match(r"https?:|mailto:", target):
        return link[0]
    if target and PurePosixPath(target).name not in pages:
        return words
    heading = re.sub(r"[^\w-]", "", heading.lower())
    return f"[{words}]({target}{mark}{heading})"


def explorer_of(output: NotebookNode) -> str | None:
    """The class of the explorer that this output shows."""
    found = EXPLORER.match(output.get("data", {}).get("text/plain", ""))
    return found[1] if found else None


def shown_outputs(output: NotebookNode, up: str = "") -> list[NotebookNode]:
    """The output as the site shows it: an explorer as its page, or as its picture with a word above it; no widgets."""
    was_widget = output.get("data", {}).pop(WIDGET, None) is not None
    if kind := explorer_of(output):
        page = new_output("display_data", data={"text/html": frame(kind, up)})
        return [page] if kind in titles(listed()) or "image/png" not in output.data else [page, output]
    if "text/html" in output.get("data", {}):
        output.data["text/html"] = BESIDE.sub(r'href="\1.html"', output.data["text/html"])
    return [] if was_widget and set(output.data) == {"text/plain"} else [output]


def keep_text(cell: NotebookNode) -> None:
    """Puts the alternative text of the cell's picture where myst-nb looks for it."""
    texts = [output.metadata["image/png"]["alt"] for output in cell.outputs if "image/png" in output.get("data", {})]
    if len(texts) > 1:
        raise ValueError(f"cell: expected at most one picture, got {len(texts)} with {texts}")
    if texts:
        cell.metadata["mystnb"] = {"image": {"alt": texts[0]}}


# --- explorers --------------------------------------------------------------------------------------------------------


def listed() -> dict[str, dict]:
    """Class name of the explorer -> its module, title, and the stored values of its fields."""
    return tomllib.loads((HERE / "explorers.toml").read_text(encoding="utf-8"))


def titles(stored: Mapping[str, dict]) -> dict[str, str]:
    """Class name -> title of every explorer that has a page: the playground, and those of these stored scenes."""
    return {PLAYGROUND: PLAYGROUND_TITLE} | {kind: told["title"] for kind, told in stored.items()}


def frame(kind: str, up: str = "") -> str:
    """What stands for the explorer on a page of the site, as HTML; `up` leads from the page to the site's root."""
    if (title := titles(listed()).get(kind)) is None:
        return LIVE_ONLY
    return FRAME.format(address=f"{up}explorers/{kind}.html", title=escape(title, quote=True))
