"""The web site of the course: `python -m publishing.site OUT`, as `make site` does. Needs build/site-env with Jupyter Book.

The notebooks are shown with their stored outputs; nothing is run. The site needs no network: MathJax is beside it, the search
index is part of it, and the explorers show stored scenes. OUT is written anew, and only where something has changed.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path
from string import Template

import nbformat

from publishing.policy import inline_scripts, named, with_policy
from publishing.site_pages import (
    explorer_of,
    front_page,
    glossary_page,
    listed,
    notation_page,
    published,
    rows_of,
    section,
    toc,
)
from publishing.vendor import vendor

ROOT = Path(__file__).parent.parent
PACKAGES = ("bal_utils", "bal_scenes", "bal_course")
HERE = Path(__file__).parent / "site"
WORK = ROOT / "build" / "site-work"
JUPYTER_BOOK = ROOT / "build" / "site-env" / "bin" / "jupyter-book"
EXPLORERS = ROOT / "build" / "site-explorers"
STAMP = ".made-from"
# a page in a frame tells the page around it how high it is, and follows its switch between light and dark
IN_FRAME = """<style>
.framed { scrollbar-gutter: auto; }
.framed main { max-width: none; padding: 0.2rem 0; }
.framed h1, .framed .page-back { display: none; }
</style>
<script>
if (parent !== window) {
  const root = document.documentElement, main = document.querySelector("main");
  root.classList.add("framed");
  new ResizeObserver(() => parent.postMessage({ explorerHeight: main.offsetHeight }, "*")).observe(main);
  window.addEventListener("message", ({ data }) => { root.style.colorScheme = data?.theme ?? ""; });
}
</script>
</body>"""


def notebooks() -> dict[str, Path]:
    """Number -> file of every notebook that is there."""
    return {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}


def digest(paths: Iterable[Path], *words: str) -> str:
    """A sum over the words and over names and contents of the files."""
    total = hashlib.sha256("\n".join(words).encode())
    for path in sorted(paths):
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def package_files() -> list[Path]:
    """All that a page of stored scenes can depend on."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    return [path for path in files if path.suffix in {".py", ".js", ".css", ".html"}]


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


def write_explorers(out: Path, back: dict[str, str], cache: Path = EXPLORERS) -> list[Path]:
    """Writes OUT/Kind.html for every listed explorer; `back` has the address of the notebook page of each, as far as known.

    Scenes are computed once for each state of the packages and kept in `cache`.
    """
    out.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    packages, written = digest(package_files()), []
    for kind, told in listed().items():
        kept = cache / f"{kind}-{digest([], packages, kind, repr(told))[:16]}.html"
        if not kept.exists():
            compute(kind, told, kept)
        page = kept.read_text(encoding="utf-8")
        if kind in back:
            link = f'<p class="page-back"><a href="../{back[kind]}">Back to the notebook</a></p>'
            page = page.replace("</main>", f"{link}\n</main>", 1)
        page = page.replace("</body>", IN_FRAME, 1)
        for script in inline_scripts(IN_FRAME):
            page = page.replace("script-src", f"script-src {named(script)}", 1)
        (out / f"{kind}.html").write_text(page, encoding="utf-8")
        written.append(out / f"{kind}.html")
    return written


def compute(kind: str, told: dict, path: Path) -> None:
    """Writes the page of one explorer; says so, because it may take half a minute."""
    print(f"computing the scenes of {kind} ...", file=sys.stderr, flush=True)
    from bal_scenes.page import write_page  # brings PyTorch: only where scenes are missing

    for old in path.parent.glob(f"{kind}-*.html"):
        old.unlink()
    explorer = getattr(import_module(told["module"]), kind)()
    partial = path.with_suffix(".partial")
    with redirect_stderr(io.StringIO()):  # one line is enough, without a bar
        write_page(explorer, partial, fields=told["fields"], title=told["title"])
    partial.rename(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m publishing.site OUT")
    place = build(Path(sys.argv[1]))
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    print(f"{place}/index.html: {len(list(place.glob('*.html')))} pages, {size / 1e6:.0f} MB")
