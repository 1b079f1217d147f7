"""Badges and install cells: put in, replaced, taken out; the install cell is run where the course is missing."""

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
spec = importlib.util.spec_from_file_location("hosted", ROOT / "publishing" / "hosted.py")
hosted = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hosted)


@pytest.fixture
def notebook(tmp_path):
    return Path(shutil.copy(NOTEBOOKS[1], tmp_path))


def test_badges_open_this_notebook(notebook):
    hosted.host_notebook(notebook, "someone/course")
    head, install, *_ = nbformat.read(notebook, as_version=4).cells
    assert head.source.startswith("# 01")
    assert f"colab.research.google.com/github/someone/course/blob/main/notebooks/{notebook.name}" in head.source
    assert f"mybinder.org/v2/gh/someone/course/main?labpath=notebooks%2F{notebook.name}" in head.source
    assert "https://github.com/someone/course" in install.source and "constraints.txt" in install.source


def test_another_address_replaces_the_first_and_none_restores(notebook):
    before = nbformat.read(notebook, as_version=4)
    for address in ("someone/course", "another/fork", "another/fork"):
        hosted.host_notebook(notebook, address)
    book = nbformat.read(notebook, as_version=4)
    assert "someone" not in str(book)
    assert len(book.cells) == len(before.cells) + 1
    counts = [cell.execution_count for cell in book.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    hosted.host_notebook(notebook, None)
    after = nbformat.read(notebook, as_version=4)
    assert after == before


def test_a_page_keeps_its_text():
    page = "# Title\n\nText.\n"
    line = hosted.badges("a/b", "00.ipynb")
    assert hosted.put_badges(hosted.put_badges(page, line), "") == page


def test_an_address_that_is_none_is_refused():
    command = [sys.executable, str(ROOT / "publishing" / "hosted.py"), "https://github.com/a/b"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "expected owner/name" in done.stderr


def test_the_install_cell_installs_the_course_where_it_is_missing(tmp_path):
    """In an environment that has every package but the course, as a host that has them would after a slow download."""
    origin, bare, here = tmp_path / "origin", tmp_path / "bare", tmp_path / "here"
    here.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(origin)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(bare)], check=True)
    site = next(bare.glob("lib/python*/site-packages"))
    (site / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    cell = hosted.INSTALL.format(url=origin)
    check = "\nimport bal_utils, pathlib; print(bal_utils.__file__, pathlib.Path('../figures').is_dir())"
    command = [str(bare / "bin" / "python"), "-c", cell + check]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(site / "bal_utils" / "__init__.py"), "True"]
