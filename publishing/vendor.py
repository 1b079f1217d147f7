"""Put the JavaScript that published pages need into a folder: `python publishing/vendor.py OUT`.

Pages then work without a network, from file:// too. After the call:

    OUT/mathjax/tex-svg-full.js     MathJax 3, one file, no fonts to load (slides)
    OUT/mathjax/tex-mml-chtml.js    MathJax 3 with its fonts in OUT/mathjax/output (web site)
    OUT/reveal/dist, OUT/reveal/plugin

From Python: `vendor(OUT)` returns the paths written, relative to OUT. The files lie in Python packages, whose versions and
sums are pinned in libraries.txt beside this file. pip downloads these packages once, into build/vendor, and installs nothing
of them; a later call reads only that folder.
"""

import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
LIBRARIES = HERE / "libraries.txt"
CACHE = HERE.parent / "build" / "vendor"
PIN = re.compile(r"^(\S+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)


class Wanted(NamedTuple):
    """The files of a package that are wanted, by patterns below its `folder`, and where under OUT they go."""

    folder: str
    target: str
    patterns: tuple[str, ...]


WANTED = {
    "django-static-mathjax": Wanted(
        "mathjax/static/mathjax/es5/",
        "mathjax",
        (
            "tex-svg-full.js",
            "tex-mml-chtml.js",
            "input/tex/extensions/*",
            "output/chtml/fonts/*",
            "a11y/assistive-mml.js",
        ),
    ),
    "sphinx-revealjs": Wanted(
        "sphinx_revealjs/_static/revealjs/",
        "reveal",
        ("dist/reveal.js", "dist/reveal.css", "dist/reset.css", "plugin/notes/notes.js", "LICENSE"),
    ),
}


def vendor(out: Path, cache: Path = CACHE) -> list[str]:
    """Write every wanted file under `out`.

    Raises RuntimeError where a package cannot be had, is not the pinned one, or has a file that would lie elsewhere.
    """
    pins = {name: (version, digest) for name, version, digest in PIN.findall(LIBRARIES.read_text(encoding="utf-8"))}
    written = []
    for name, (folder, target, patterns) in WANTED.items():
        wheel = checked_wheel(name, *pins[name], cache)
        for path, content in members(wheel, folder):
            if any(fnmatch(path, pattern) for pattern in patterns):
                place = confined(out / target, path, wheel.name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
                written.append(f"{target}/{path}")
    return written


def checked_wheel(name: str, version: str, digest: str, cache: Path) -> Path:
    """The package in the cache, downloaded if it is not there, and always checked against the pinned sum."""
    wheel = cache / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    if not wheel.exists():
        download(cache)
    came = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if came != digest:
        wheel.unlink()
        raise RuntimeError(f"{name} {version}: expected SHA-256 {digest}, got {came}")
    return wheel


def download(cache: Path) -> None:
    """Has pip download all packages; raises RuntimeError with what pip says where it cannot."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
    ]
    done = subprocess.run(
        [*pip, "--requirement", str(LIBRARIES), "--dest", str(cache)], stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise RuntimeError(f"pip could not download the packages in {LIBRARIES.name}:\n{done.stderr.strip()}")


def members(wheel: Path, folder: str) -> Iterator[tuple[str, bytes]]:
    """(path below `folder`, content) for every file of a package."""
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            if name.startswith(folder) and not name.endswith("/"):
                yield name.removeprefix(folder), opened.read(name)


def confined(folder: Path, path: str, source: str) -> Path:
    """Where `path` lies in `folder`; raises RuntimeError where that is outside, by `..`, by a root or by a link."""
    place = (folder / path).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise RuntimeError(f"{source}: expected files inside the package, got {path!r}")
    return place


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python publishing/vendor.py OUT")
    print(f"{len(vendor(Path(sys.argv[1])))} files in {sys.argv[1]}")
