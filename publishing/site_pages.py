"""The pages of the web site as text: nothing is said twice, all is made from the notebooks and the README.

First the pages that are no notebooks, from the README and notebook 00; then a notebook as the site shows it, where mentions are
links and pictures keep their text; last what stands for an explorer.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from nbformat import NotebookNode
from nbformat.v4 import new_output

from publishing.hosted import BADGES, TAG

HERE = Path(__file__).parent / "site"
ROW = re.compile(
    r"^\|\s*(?:\*\*(\w+)\*\*)?\s*\|\s*\[?(\d\d) ([^|\]]+?)\]?(?:\([^)]*\))?\s*\|\s*([^|]+?)\s*\|", re.MULTILINE
)
TERM = re.compile(r"(?:^|(?<=\. ))(?=\*\*)")
ON_FRONT_PAGE = "TwoMoons"
WIDGET = "application/vnd.jupyter.widget-view+json"
EXPLORER = re.compile(r"(\w+) explorer \(runs in")
# code, mathematics, links and headings stay as they are
KEPT = re.compile(
    r"```.*?```|\$\$.*?\$\$|``.*?``|`[^`]*`|\$[^$]*\$|!?\[[^\]]*\]\([^)]*\)|^#.*?$|^    .*?$", re.DOTALL | re.MULTILINE
)
MENTION = re.compile(r"\b[Nn]otebook\s+(\d\d)\b")
MENTIONS = re.compile(r"\b[Nn]otebooks\s+\d\d(?:(?:,|,?\s+(?:and|or|to))\s+\d\d)*\b")
NEEDS = re.compile(r"^\*\*You need\*\*.*?(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)
MAP_ROW = re.compile(r"\| (\d\d) ([^|\[\]]+?) \|")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)]*)\)")
DISPLAY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
NOTE = (
    '\n\n<p class="bal-note">A notebook of the course with its stored outputs. '
    'To change it, to move everything and to have your exercises checked, <a href="index.html#how-to-start">run it</a>; '
    'or take <a href="notebooks/{name}.ipynb" download>the file</a>.</p>\n'
)
FRAME = """<div class="bal-live">
<iframe src="{address}" title="Explorer: {title}" loading="lazy"></iframe>
<p><a href="{address}">This explorer on a page of its own</a></p>
</div>"""
LIVE_ONLY = (
    '<p class="bal-needs-python">This explorer needs Python; its picture is above, and it answers in the notebook.</p>'
)


@dataclass(frozen=True)
class Row:
    """One line of the map: the part it opens or nothing, the notebook's number and name, and its question."""

    part: str
    number: str
    name: str
    question: str


def section(text: str, heading: str) -> str:
    """What stands under the heading that begins with these words, up to the next heading of its level or above."""
    found = re.search(rf"^(##+) {re.escape(heading)}[^\n]*\n(.*?)(?=^##? |\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"text: expected a heading that begins with {heading!r}, got none")
    return found[2].strip()


def rows_of(map_text: str) -> list[Row]:
    rows = [Row(*(word or "" for word in found)) for found in ROW.findall(map_text)]
    if not rows:
        raise ValueError("map: expected rows such as | **I** | 01 Name | Question? |, got none")
    return rows


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


def parts_of(rows: list[Row], names: Mapping[str, str]) -> dict[str, list[str]]:
    """Name of each part -> the stems of its notebooks that are there; a notebook the map has not joins the last part."""
    named = tomllib.loads((HERE / "parts.toml").read_text(encoding="utf-8"))
    parts: dict[str, list[str]] = {"Begin": []}
    part_of = {"00": "Begin"}
    part = "Begin"
    for row in rows:
        part = f"{row.part} · {named[row.part]}" if row.part else part
        part_of[row.number] = part
        parts.setdefault(part, [])
    for number in sorted(names):
        parts[part_of.get(number, part)].append(names[number])
    return {part: stems for part, stems in parts.items() if stems}


def toc(rows: list[Row], names: Mapping[str, str]) -> dict:
    parts = [
        {"caption": part, "chapters": [{"file": stem} for stem in stems]}
        for part, stems in parts_of(rows, names).items()
    ]
    back = {"caption": "To look up", "chapters": [{"file": "notation"}, {"file": "glossary"}]}
    return {"format": "jb-book", "root": "index", "parts": [*parts, back]}


def map_table(rows: list[Row], names: Mapping[str, str], first: Row) -> str:
    """The map with links to the notebooks that are there."""
    lines = ["| | Notebook | Question |", "|---|---|---|"]
    for row in (first, *rows):
        name = f"{row.number} {row.name}"
        name = f"[{name}]({names[row.number]}.ipynb)" if row.number in names else f"{name} (planned)"
        lines.append(f"| {f'**{row.part}**' if row.part else ''} | {name} | {row.question} |")
    return "\n".join(lines)


def front_page(readme: str, start_here: str, names: Mapping[str, str], title: str) -> str:
    """The first page, from the README and the text of notebook 00."""
    map_text = section(start_here, "A map of the course")
    question = re.search(r"^# 00 · (.+)$", start_here, re.MULTILINE)[1]
    hurry = re.search(r"In a hurry\?.*", map_text, re.DOTALL)
    return Template((HERE / "index.md").read_text(encoding="utf-8")).substitute(
        title=title,
        description=first_paragraph(readme),
        explorer=frame(ON_FRONT_PAGE),
        map=map_table(rows_of(map_text), names, Row("", "00", "Start here", question)),
        hurry=hurry[0].partition("\n###")[0].strip() if hurry else "",
        start=start(readme),
    )


def notation_page(start_here: str) -> str:
    return f"# Notation\n\n{section(start_here, 'Notation')}\n"


def entries(glossary: str) -> dict[str, str]:
    """Term -> meaning, from running text in which each entry begins with its term in bold."""
    found = {}
    for sentence in TERM.split(" ".join(glossary.split())):
        if colon := re.match(r"\*\*([^*]+)\*\*: (.+)", sentence):
            found[colon[1]] = colon[2][0].upper() + colon[2][1:].strip()
        elif terms := re.findall(r"\*\*([^*]+)\*\*", sentence):
            found[", ".join(terms)] = sentence.strip()
    if not found:
        raise ValueError("glossary: expected entries such as **Term**: meaning., got none")
    return found


def glossary_page(start_here: str, prose: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The glossary of notebook 00, with the notebooks whose prose (by number) has each term."""
    lines = ["# Glossary", "", "```{glossary}"]
    found = entries(section(start_here, "Glossary"))
    for term in sorted(found, key=str.lower):
        words = "|".join(re.escape(word) for word in term.split(", "))
        where = [number for number, text in prose.items() if re.search(rf"\b(?:{words})", text, re.IGNORECASE)]
        links = ", ".join(f"[{number}]({names[number]}.ipynb)" for number in where)
        lines += [term, f"  {found[term]}", "", f"  In notebooks {links}." if links else "", ""]
    return "\n".join([*lines, "```", ""])


# --- notebooks --------------------------------------------------------------------------------------------------------


def published(notebook: NotebookNode, name: str, names: Mapping[str, str]) -> NotebookNode:
    """The notebook for the site; `names` has the file's stem for each notebook's number."""
    book = deepcopy(notebook)
    book.metadata.pop("widgets", None)
    book.cells = [cell for cell in book.cells if TAG not in cell.metadata.get("tags", [])]
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = linked(BADGES.sub("", cell.source), names)
        else:
            cell.outputs = [shown for output in cell.outputs if (shown := shown_output(output)) is not None]
            keep_text(cell)
    first = book.cells[0]
    title, _, rest = first.source.partition("\n")
    first.source = title + NOTE.format(name=name) + rest
    return book


def linked(text: str, names: Mapping[str, str]) -> str:
    """Markdown with links at mentions of notebooks and of papers, and no links to files that the site does not have."""
    text = DISPLAY.sub(lambda formula: without_split(formula[0]), text)
    text = LINK.sub(lambda link: kept_link(link, names), text)
    text = MAP_ROW.sub(lambda row: f"| {to_notebook(row[1], f'{row[1]} {row[2]}', names)} |", text)
    text = NEEDS.sub(lambda needs: outside(KEPT, needs[0], lambda prose: numbers_linked(prose, names)), text)
    return outside(KEPT, text, lambda prose: mentions_linked(prose, names))


def without_split(formula: str) -> str:
    r"""A formula that Sphinx leaves as it is: it wraps those with \\\\ in a split environment, where \tag is refused."""
    return formula.replace("\\\\", r"\cr ") if r"\tag" in formula else formula


def kept_link(link: re.Match, names: Mapping[str, str]) -> str:
    target = link[2].partition("#")[0]
    known = not target or re.match(r"https?:|mailto:", target) or target in {f"{name}.ipynb" for name in names.values()}
    return link[0] if known else link[1]


def mentions_linked(prose: str, names: Mapping[str, str]) -> str:
    prose = MENTION.sub(lambda found: to_notebook(found[1], found[0], names), prose)
    prose = MENTIONS.sub(lambda found: numbers_linked(found[0], names), prose)
    return ARXIV.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", prose)


def numbers_linked(prose: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\b\d\d\b", lambda number: to_notebook(number[0], number[0], names), prose)


def to_notebook(number: str, words: str, names: Mapping[str, str]) -> str:
    return f"[{words}]({names[number]}.ipynb)" if number in names else words


def outside(kept: re.Pattern, text: str, change: Callable[[str], str]) -> str:
    """`text` with everything changed but what `kept` matches."""
    parts, end = [], 0
    for match in kept.finditer(text):
        parts += [change(text[end : match.start()]), match[0]]
        end = match.end()
    return "".join([*parts, change(text[end:])])


def explorer_of(output: NotebookNode) -> str | None:
    """The class of the explorer that this output shows."""
    data = output.get("data", {})
    found = EXPLORER.match("".join(data.get("text/plain", ""))) if WIDGET in data else None
    return found[1] if found else None


def shown_output(output: NotebookNode) -> NotebookNode | None:
    """The output as the site shows it: an explorer as its page, a progress bar not at all."""
    if WIDGET not in output.get("data", {}):
        return output
    kind = explorer_of(output)
    return new_output("display_data", data={"text/html": frame(kind)}) if kind else None


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


def frame(kind: str) -> str:
    """What stands for the explorer on a page of the site, as HTML."""
    if (told := listed().get(kind)) is None:
        return LIVE_ONLY
    return FRAME.format(address=f"explorers/{kind}.html", title=escape(told["title"], quote=True))
