"""The web site of the course: `python -m publishing.site OUT`, as `make site` does, with Sphinx and its book theme.

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
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from publishing import playground
from publishing.command import paths_given
from publishing.links import lessons, link, pages
from publishing.policy import inline_scripts, named, with_policy
from publishing.site_pages import PLAYGROUND, explorer_of, front_page, listed, published, thumbnail, titles
from publishing.vendor import vendor

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"
PACKAGES = ("bal_utils", "bal_scenes", "bal_course")
HERE = Path(__file__).parent / "site"
WORK = ROOT / "build" / "site-work"
EXPLORERS = ROOT / "build" / "site-explorers"
STAMP = ".made-from"
# a page in a frame tells the page around it how high it is, and follows its switch between light and dark
IN_FRAME = """<style>
.framed { scrollbar-gutter: auto; }
.framed main { max-width: none; padding: 0.2rem 0; }
.framed h1, .framed .page-back { display: none; }
.dark .bal-canvas { filter: brightness(0.85); }
</style>
<script>
if (parent !== window) {
  const root = document.documentElement, main = document.querySelector("main");
  root.classList.add("framed");
  new ResizeObserver(() => parent.postMessage({ explorerHeight: main.offsetHeight }, "*")).observe(main);
  window.addEventListener("message", ({ data }) => {
    root.style.colorScheme = data?.theme ?? "";
    root.classList.toggle("dark", data?.theme === "dark");
  });
}
</script>
</body>"""


def notebooks() -> dict[str, Path]:
    """Address without its suffix -> file of every notebook: `03_kinds_of_uncertainty`, `further/03_strangers`."""
    return {str(path.relative_to(NOTEBOOKS).with_suffix("")): path for path in pages()}


def other_pages() -> list[Path]:
    """The pages beside the notebooks: the glossary."""
    return sorted(NOTEBOOKS.glob("*.md"))


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
    told = [ROOT / "README.md", ROOT / "CITATION.cff", *other_pages()]
    tools = [f"{name} {version(name)}" for name in ("sphinx", "myst-nb", "sphinx-book-theme")]
    return digest([*notebooks().values(), *package_files(), *ours, *told], *tools)


def is_current(out: Path) -> bool:
    """Whether OUT is the site as it would be built now."""
    return (out / STAMP).exists() and (out / STAMP).read_text() == made_from()


def build(out: Path) -> Path:
    """Builds the site into `out`; raises RuntimeError where Sphinx has anything to complain of."""
    if is_current(out):
        return out
    made = made_from()
    books = {name: read(path) for name, path in notebooks().items()}
    title = re.search(r'^title: "?([^"\n]+)', (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)[1]
    stage(WORK / "source", books, title)
    html = built(WORK / "source", title)
    shutil.rmtree(out, ignore_errors=True)
    shutil.move(html, out)
    for page in [*out.glob("*.html"), *out.glob("further/*.html")]:
        text = page.read_text(encoding="utf-8")
        page.write_text(with_policy(text, inline_scripts(text)), encoding="utf-8")
    vendor(WORK / "libraries")
    add_mathjax(WORK / "libraries" / "mathjax", out / "_static" / "mathjax")
    explorers = write_explorers(out / "explorers", back=pages_of_explorers(books))
    with (out / "_static" / "course.css").open("a", encoding="utf-8") as style:
        style.writelines(map(shape_of, explorers))
    for name, path in notebooks().items():
        (out / "notebooks" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, out / "notebooks" / f"{name}.ipynb")
    (out / STAMP).write_text(made)
    return out


def read(path: Path) -> NotebookNode:
    """The notebook with its links to the others, as `python -m publishing.links` writes them."""
    book = link(json.loads(path.read_text(encoding="utf-8")), path, lessons())
    return nbformat.reads(json.dumps(book), as_version=4)


def stage(source: Path, books: Mapping[str, NotebookNode], title: str) -> None:
    """Writes what Sphinx reads: settings, pages, notebooks and the pictures of the cards."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE / "_static", source / "_static")
    shutil.copy(HERE / "conf.py", source)
    thumbnails = source / "_static" / "thumbnails"
    thumbnails.mkdir()
    stems = {number: path.stem for number, path in lessons().items()}
    files = {path.name for path in [*notebooks().values(), *other_pages()]}
    for name, book in books.items():
        further = [other for other in books if other.startswith(f"further/{name[:2]}_")] if "/" not in name else []
        (source / name).parent.mkdir(exist_ok=True)
        nbformat.write(published(book, name, files, further), source / f"{name}.ipynb")
    for number, stem in stems.items():
        thumbnail(books[stem]).save(thumbnails / f"{number}.png", optimize=True)
    for page in other_pages():
        shutil.copy(page, source)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    front = front_page(readme, prose_of(books[stems["00"]]), stems, [page.stem for page in other_pages()], title)
    (source / "index.md").write_text(front, encoding="utf-8")


def prose_of(book: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")


def built(source: Path, title: str) -> Path:
    """Runs Sphinx, which takes every warning for an error: a link without a target, for one."""
    out = WORK / "html"
    shutil.rmtree(out, ignore_errors=True)
    names = ["-D", f"project={title}", "-D", f"html_title={title}"]
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", *names, "-d", WORK / "doctrees", source, out]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Sphinx failed:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return out


def add_mathjax(vendored: Path, out: Path) -> None:
    """MathJax without its edition for slides."""
    shutil.copytree(vendored, out, ignore=shutil.ignore_patterns("tex-svg-full.js"))


def pages_of_explorers(books: Mapping[str, NotebookNode]) -> dict[str, str]:
    """Explorer -> the page of the first notebook that shows it."""
    pages: dict[str, str] = {}
    for name, book in books.items():
        for cell in book.cells:
            for kind in filter(None, map(explorer_of, cell.get("outputs", []))):
                if kind in titles(listed()):
                    pages.setdefault(kind, f"{name}.html")
    return pages


def write_explorers(out: Path, back: dict[str, str], cache: Path = EXPLORERS) -> list[Path]:
    """Writes OUT/Kind.html for every explorer that has a page; `back` has the address of the notebook page of each, as far
    as known.

    Scenes are computed once for each state of the packages and kept in `cache`.
    """
    out.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    packages, pages = digest(package_files()), {PLAYGROUND: playground.page()}
    for kind, told in listed().items():
        kept = cache / f"{kind}-{digest([], packages, kind, repr(told))[:16]}.html"
        if not kept.exists():
            compute(kind, told, kept)
        pages[kind] = kept.read_text(encoding="utf-8")
    for kind, page in pages.items():
        (out / f"{kind}.html").write_text(in_frame(page, back.get(kind)), encoding="utf-8")
    return [out / f"{kind}.html" for kind in pages]


def in_frame(page: str, back: str | None) -> str:
    """The page of an explorer as it stands in a frame or alone, with a link back to its notebook where that is known."""
    if back:
        link = f'<p class="page-back"><a href="../{back}">Back to the notebook</a></p>'
        page = page.replace("</main>", f"{link}\n</main>", 1)
    for script in inline_scripts(IN_FRAME):
        page = page.replace("script-src", f"script-src {named(script)}", 1)
    begin, _, end = page.rpartition("</body>")
    return begin + IN_FRAME + end


def shape_of(page: Path) -> str:
    """The rule by which the frame of an explorer's page has about its height before the page has told it."""
    shape = re.search(r"--ratio: [\d.]+(; --rest: [\d.]+rem)?", page.read_text(encoding="utf-8"))[0]
    return f'iframe[src$="{page.name}"] {{ {shape}; }}\n'


def compute(kind: str, told: dict, path: Path) -> None:
    """Writes the page of one explorer; says so, because it may take half a minute."""
    print(f"computing the scenes of {kind} ...", file=sys.stderr, flush=True)
    from bal_scenes.page import write_page  # brings PyTorch: only where scenes are missing

    for old in path.parent.glob(f"{kind}-*.html"):
        old.unlink()
    explorer = getattr(import_module(told["module"]), kind)()
    if "begin" in told:
        explorer.state = explorer.preset_states[told["begin"]]
    explorer.set(**told.get("state", {}))
    partial = path.with_suffix(".partial")
    with redirect_stderr(io.StringIO()):  # one line is enough, without a bar
        write_page(explorer, partial, fields=told["fields"], title=told["title"])
    partial.rename(path)


if __name__ == "__main__":
    (place,) = paths_given("python -m publishing.site OUT", at_most=1)
    place = build(place)
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    print(f"{place}/index.html: {len(list(place.glob('*.html')))} pages, {size / 1e6:.0f} MB")
