"""The way from notebook to notebook: `python -m publishing.links [NOTEBOOK...]`.

Under each title a line `← 10 · 11 of 14 · 12 →`, after the last section `Next: …`, and every "notebook 07" in the text a
link. A page of `notebooks/further/` leads back to the lesson that it belongs to. What is there already is replaced, so the
command can be run again; outputs and everything else stay.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = re.compile(r"\n*<!-- way -->.*?<!-- /way -->", re.DOTALL)
FOOTER = re.compile(r"\n*<!-- next -->.*?<!-- /next -->", re.DOTALL)
TITLE = re.compile(r"^# (.*)", re.MULTILINE)
# code, formulas, links and headings stay as they are
ASIDE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|!?\[[^\]]*\]\([^)]*\)|^#+ [^\n]*$", re.DOTALL | re.MULTILINE
)
MENTION = re.compile(r"\b([Nn]otebooks?)((?:(?:,? and |,? or | to |, | )\d\d\b(?!\.\d))+)")


def lessons(root: Path = ROOT) -> dict[str, Path]:
    """The notebooks of the main line by their numbers, in order."""
    return {path.name[:2]: path for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def further_pages(root: Path = ROOT) -> list[Path]:
    """The notebooks that go further."""
    return sorted((root / "notebooks" / "further").glob("[0-9][0-9]_*.ipynb"))


def pages(root: Path = ROOT) -> list[Path]:
    """All notebooks: the main line, then what goes further."""
    return [*lessons(root).values(), *further_pages(root)]


def title(path: Path) -> str:
    return TITLE.search("".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]))[1]


def header(path: Path, course: dict[str, Path]) -> str:
    """The line under the title."""
    number = path.name[:2]
    if path.parent.name == "further":
        return f"[↑ {title(course[number])}](../{course[number].name}) · [glossary](../glossary.md)"
    before, after = _beside(number, course)
    last = list(course)[-1]
    way = [f"[← {before}]({course[before].name})"] if before else []
    way += [f"{number} of {last}"]
    way += [f"[{after} →]({course[after].name})"] if after else []
    return " · ".join([*way, "[glossary](glossary.md)"])


def footer(path: Path, course: dict[str, Path]) -> str:
    """The last line; "" after the last lesson."""
    number = path.name[:2]
    if path.parent.name == "further":
        return f"**Back to** [{title(course[number])}](../{course[number].name})"
    _, after = _beside(number, course)
    return f"**Next:** [{title(course[after])}]({course[after].name})" if after else ""


def _beside(number: str, course: dict[str, Path]) -> tuple[str | None, str | None]:
    numbers = list(course)
    place = numbers.index(number)
    return (numbers[place - 1] if place else None), (numbers[place + 1] if place + 1 < len(numbers) else None)


def with_links(text: str, number: str, course: dict[str, Path], up: str = "") -> str:
    """The text with each mention of another notebook as a link: "notebook 07", "notebooks 05 and 06"."""

    def one(found: re.Match) -> str:
        other = found[0][-2:]
        return f"[{found[0]}]({up}{course[other].name})" if other in course and other != number else found[0]

    def mention(found: re.Match) -> str:
        alone = len(found[2]) == len(" 00")
        return one(found) if alone else found[1] + re.sub(r"\d\d", one, found[2])

    pieces, plain = [], 0
    for aside in ASIDE.finditer(text):
        pieces += [MENTION.sub(mention, text[plain : aside.start()]), aside[0]]
        plain = aside.end()
    return "".join([*pieces, MENTION.sub(mention, text[plain:])])


def link(book: dict, path: Path, course: dict[str, Path]) -> dict:
    """The notebook with its header, its footer and its mentions as links."""
    up = "../" if path.parent.name == "further" else ""
    texts = [cell for cell in book["cells"] if cell["cell_type"] == "markdown"]
    for cell in texts:
        text = FOOTER.sub("", HEADER.sub("", "".join(cell["source"])))
        text = with_links(text, path.name[:2], course, up)
        if cell is book["cells"][0]:
            first, _, rest = text.partition("\n")
            text = f"{first}\n\n<!-- way -->\n{header(path, course)}<!-- /way -->\n{rest}"
        if cell is texts[-1] and (last := footer(path, course)):
            text = f"{text.rstrip()}\n\n<!-- next -->\n{last}<!-- /next -->"
        cell["source"] = text.splitlines(keepends=True)
    return book


def main(names: list[str]) -> None:
    course = lessons()
    for path in map(Path, names or pages()):
        book = link(json.loads(path.read_text(encoding="utf-8")), path, course)
        path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
