"""Badges and install cells that open the notebooks on Colab and Binder, for one public address of the course.

Binder builds from the folder `binder`; Colab installs in the cell, with install.py.

`make hosted REPOSITORY=owner/name` writes them into every notebook and the README; another address replaces the first, and
an empty one takes them out. A teacher's fork gets badges that open the fork.
"""

import argparse
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
TAG = "hosted-install"
BADGES = re.compile(r"<!-- hosted -->.*?<!-- /hosted -->\n*", re.DOTALL)
HEAD = re.compile(
    r"[^\n]*\n(?:\n<!-- way -->.*?<!-- /way -->\n)?", re.DOTALL
)  # the title, and the way to other notebooks
ADDRESS = re.compile(r"[\w.-]+/[\w.-]+")
INSTALL = """\
# Where the course is not installed, as on Colab, this fetches it (minutes, once) and leaves the host's own packages alone.
import os
import subprocess
import sys
from importlib.util import find_spec

if find_spec("bal_utils") is None:
    if not os.path.isdir("course"):
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "{url}", "course"], check=True)
    subprocess.run([sys.executable, "course/publishing/install.py"], check=True)
if os.path.isdir("course/notebooks"):
    os.chdir("course/notebooks")"""


def badges(repository: str, notebook: str) -> str:
    """The two badges of a notebook, as one line of Markdown between marks by which they are found again."""
    place = f"notebooks/{notebook}"
    colab = f"https://colab.research.google.com/github/{repository}/blob/main/{place}"
    binder = f"https://mybinder.org/v2/gh/{repository}/main?labpath={place.replace('/', '%2F')}"
    return (
        "<!-- hosted -->"
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})<!-- /hosted -->\n\n"
    )


def put_badges(text: str, line: str) -> str:
    """A page with its badges under the title, or under its links to other notebooks, in place of those it had."""
    text = BADGES.sub("", text)
    if not line:
        return text
    head = HEAD.match(f"{text}\n")[0]
    return f"{head}\n{line}{text[len(head) :].lstrip()}"


def host_notebook(path: Path, repository: str | None) -> None:
    """Writes badges and the install cell into one notebook, or takes them out; outputs stay, counts move by one."""
    book = nbformat.read(path, as_version=4)
    had = [cell for cell in book.cells if TAG in cell.metadata.get("tags", [])]
    book.cells = [cell for cell in book.cells if cell not in had]
    if repository is not None:
        cell = nbformat.v4.new_code_cell(INSTALL.format(url=f"https://github.com/{repository}"), id=TAG)
        cell.metadata |= {"tags": [TAG], "slideshow": {"slide_type": "skip"}}
        book.cells.insert(1, cell)
    book.cells[0].source = put_badges(
        book.cells[0].source, badges(repository, path.name) if repository else ""
    ).rstrip()
    for count, cell in enumerate((cell for cell in book.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = count
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    nbformat.write(book, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python publishing/hosted.py", description=__doc__)
    parser.add_argument("repository", help="owner/name on GitHub; an empty text takes the badges out")
    repository = parser.parse_args().repository or None
    if repository is not None and not ADDRESS.fullmatch(repository):
        raise SystemExit(f"repository: expected owner/name, got {repository!r}")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        host_notebook(path, repository)
    readme = ROOT / "README.md"
    line = badges(repository, "00_start_here.ipynb") if repository else ""
    readme.write_text(put_badges(readme.read_text(encoding="utf-8"), line), encoding="utf-8")


if __name__ == "__main__":
    main()
