"""The explorers as pages of stored scenes, for the web site: those that publishing/site/explorers.toml lists.

In a frame, a page tells the page around it how high it is, and follows its switch between light and dark.
"""

import hashlib
import io
import sys
import tomllib
from collections.abc import Iterable
from contextlib import redirect_stderr
from html import escape
from importlib import import_module
from pathlib import Path

from publishing.policy import inline_scripts, named

ROOT = Path(__file__).parent.parent
LISTED = Path(__file__).parent / "site" / "explorers.toml"
CACHE = ROOT / "build" / "site-explorers"
PACKAGES = ("bal_utils", "bal_scenes", "bal_course")
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
FRAME = """<div class="bal-live">
<iframe src="{address}" title="Explorer: {title}" loading="lazy"></iframe>
<p><a href="{address}">This explorer on a page of its own</a></p>
</div>"""
LIVE_ONLY = (
    '<p class="bal-needs-python">This explorer needs Python; its picture is above, and it answers in the notebook.</p>'
)


def listed() -> dict[str, dict]:
    """Class name of the explorer -> its module, title, and the stored values of its fields."""
    return tomllib.loads(LISTED.read_text(encoding="utf-8"))


def frame(kind: str) -> str:
    """What stands for the explorer on a page of the site, as HTML."""
    if (told := listed().get(kind)) is None:
        return LIVE_ONLY
    return FRAME.format(address=f"explorers/{kind}.html", title=escape(told["title"], quote=True))


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


def write_explorers(out: Path, back: dict[str, str], cache: Path = CACHE) -> list[Path]:
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
