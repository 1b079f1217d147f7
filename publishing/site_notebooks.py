"""A notebook as the web site shows it: mentions are links, explorers are pages of stored scenes, pictures keep their text."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy

from nbformat import NotebookNode
from nbformat.v4 import new_output

from publishing.hosted import BADGES, TAG
from publishing.site_explorers import frame

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
