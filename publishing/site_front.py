"""The pages of the web site that are no notebooks, made from the README and from notebook 00: nothing is said twice."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from publishing.site_explorers import frame

HERE = Path(__file__).parent / "site"
ROW = re.compile(
    r"^\|\s*(?:\*\*(\w+)\*\*)?\s*\|\s*\[?(\d\d) ([^|\]]+?)\]?(?:\([^)]*\))?\s*\|\s*([^|]+?)\s*\|", re.MULTILINE
)
TERM = re.compile(r"(?:^|(?<=\. ))(?=\*\*)")
ON_FRONT_PAGE = "TwoMoons"


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
