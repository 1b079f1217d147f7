"""The web site of the course: `python -m publishing.site OUT`, as `make site` does. Needs build/site-env with Jupyter Book.

The notebooks are shown with their stored outputs; nothing is run. The site needs no network: MathJax is beside it, the search
index is part of it, and the explorers show stored scenes. OUT is written anew, and only where something has changed.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

import nbformat

from publishing.policy import inline_scripts, with_policy
from publishing.site_explorers import digest, listed, package_files, write_explorers
from publishing.site_front import front_page, glossary_page, notation_page, rows_of, section, toc
from publishing.site_notebooks import explorer_of, published
from publishing.vendor import vendor

ROOT = Path(__file__).parent.parent
HERE = Path(__file__).parent / "site"
WORK = ROOT / "build" / "site-work"
JUPYTER_BOOK = ROOT / "build" / "site-env" / "bin" / "jupyter-book"
STAMP = ".made-from"


def notebooks() -> dict[str, Path]:
    """Number -> file of every notebook that is there."""
    return {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def made_from() -> str:
    """A sum over everything that the site is made from."""
    ours = [path for path in Path(__file__).parent.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return digest([*notebooks().values(), *package_files(), *ours, ROOT / "README.md", ROOT / "CITATION.cff"])


def is_current(out: Path) -> bool:
    """Whether OUT is the site as it would be built now."""
    return (out / STAMP).exists() and (out / STAMP).read_text() == made_from()


def build(out: Path) -> Path:
    """Builds the site into `out`; raises RuntimeError where Jupyter Book is missing or has anything to complain of."""
    if is_current(out):
        return out
    if not JUPYTER_BOOK.exists():
        raise RuntimeError(f"There is no {JUPYTER_BOOK.relative_to(ROOT)}: `make site` puts it there.")
    made = made_from()
    books = {number: nbformat.read(path, as_version=4) for number, path in notebooks().items()}
    stage(WORK / "source", books)
    html = built(WORK / "source")
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(html, out)
    for page in out.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        page.write_text(with_policy(text, inline_scripts(text)), encoding="utf-8")
    vendor(WORK / "libraries")
    add_mathjax(WORK / "libraries" / "mathjax", out / "_static" / "mathjax")
    write_explorers(out / "explorers", back=pages_of_explorers(books))
    (out / "notebooks").mkdir()
    for path in notebooks().values():
        shutil.copy(path, out / "notebooks")
    (out / STAMP).write_text(made)
    return out


def stage(source: Path, books: dict) -> None:
    """Writes what Jupyter Book reads: settings, contents, pages, notebooks."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE / "_static", source / "_static")
    names = {number: path.stem for number, path in notebooks().items()}
    prose = {number: prose_of(book) for number, book in books.items()}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    title = re.search(r'^title: "?([^"\n]+)', (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)[1]
    rows = rows_of(section(prose["00"], "A map of the course"))
    pages = {
        "_config.yml": Template((HERE / "_config.yml").read_text(encoding="utf-8")).substitute(title=title),
        "_toc.yml": json.dumps(toc(rows, names)),  # JSON is YAML
        "index.md": front_page(readme, prose["00"], names, title),
        "notation.md": notation_page(prose["00"]),
        "glossary.md": glossary_page(prose["00"], prose, names),
    }
    for name, text in pages.items():
        (source / name).write_text(text, encoding="utf-8")
    for number, book in books.items():
        nbformat.write(published(book, names[number], names), source / f"{names[number]}.ipynb")


def prose_of(book) -> str:
    return "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")


def built(source: Path) -> Path:
    """Runs Jupyter Book, which takes every warning for an error: a link without a target, for one."""
    shutil.rmtree(WORK / "_build", ignore_errors=True)
    command = [JUPYTER_BOOK, "build", source, "--path-output", WORK, "--all", "-W", "--keep-going", "-n"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Jupyter Book failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return WORK / "_build" / "html"


def add_mathjax(vendored: Path, out: Path) -> None:
    """MathJax without its edition for slides."""
    shutil.copytree(vendored, out, ignore=shutil.ignore_patterns("tex-svg-full.js"))


def pages_of_explorers(books: dict) -> dict[str, str]:
    """Explorer -> the page of the first notebook that shows it."""
    pages: dict[str, str] = {}
    for number, book in books.items():
        for cell in book.cells:
            for kind in filter(None, map(explorer_of, cell.get("outputs", []))):
                if kind in listed():
                    pages.setdefault(kind, f"{notebooks()[number].stem}.html")
    return pages


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m publishing.site OUT")
    place = build(Path(sys.argv[1]))
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    print(f"{place}/index.html: {len(list(place.glob('*.html')))} pages, {size / 1e6:.0f} MB")
