"""Badges and install cells: put in, replaced, taken out; the install cell is run where the course is missing."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `pytest` without `python -m`

from publishing import hosted, install, links

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def notebook(tmp_path):
    return Path(shutil.copy(NOTEBOOKS[1], tmp_path))


def test_badges_open_this_notebook(notebook):
    hosted.host_notebook(notebook, "someone/course")
    head, cell, *_ = nbformat.read(notebook, as_version=4).cells
    assert head.source.startswith("# 01")
    assert f"colab.research.google.com/github/someone/course/blob/main/notebooks/{notebook.name}" in head.source
    assert f"mybinder.org/v2/gh/someone/course/main?labpath=notebooks%2F{notebook.name}" in head.source
    assert "https://github.com/someone/course" in cell.source


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


def test_badges_stand_below_the_links_to_other_notebooks_in_whatever_order_both_are_written(tmp_path):
    page = "# Title\n\n<!-- way -->\n[← 10](10.ipynb)<!-- /way -->\n\nText.\n"
    line = hosted.badges("a/b", "00.ipynb")
    both = hosted.put_badges(page, line)
    assert both == page.replace("\n\nText", f"\n\n{line}Text") and hosted.put_badges(both, "") == page
    path = tmp_path / NOTEBOOKS[1].name
    first = {"cell_type": "markdown", "source": hosted.put_badges("# Title\n\nText.", line)}
    linked = "".join(links.link({"cells": [first]}, path, links.lessons())["cells"][0]["source"])
    assert hosted.put_badges(linked, line) == linked


def test_an_address_that_is_none_is_refused():
    command = [sys.executable, str(ROOT / "publishing" / "hosted.py"), "https://github.com/a/b"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "expected owner/name" in done.stderr


def test_the_install_cell_installs_the_course_where_it_is_missing(tmp_path):
    """In an environment that has every package but the course, as a host that has them would after a slow download."""
    origin, bare, here = tmp_path / "origin", tmp_path / "bare", tmp_path / "here"
    here.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(origin)], check=True)
    commit_as_it_is(origin)
    subprocess.run([sys.executable, "-m", "venv", str(bare)], check=True)
    site = next(bare.glob("lib/python*/site-packages"))
    (site / "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    cell = hosted.INSTALL.format(url=origin)
    check = "\nimport bal_utils, pathlib; print(bal_utils.__file__, pathlib.Path('../figures').is_dir())"
    command = [str(bare / "bin" / "python"), "-c", cell + check]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(site / "bal_utils" / "__init__.py"), "True"]


def commit_as_it_is(copy):
    """Takes this folder's publishing tools into a clone, committed or not."""
    shutil.copytree(ROOT / "publishing", copy / "publishing", dirs_exist_ok=True)
    for command in (["add", "publishing"], ["commit", "--quiet", "--allow-empty", "--message", "now"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command], cwd=copy, check=True)


def test_after_a_restart_the_cell_finds_its_folder_again_and_installs_nothing(tmp_path):
    (tmp_path / "course" / "notebooks").mkdir(parents=True)
    where = "\nprint(os.getcwd())"
    for folder in (tmp_path, tmp_path / "course" / "notebooks"):
        command = [sys.executable, "-c", hosted.INSTALL.format(url="nowhere") + where]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.stdout.strip() == str((tmp_path / "course" / "notebooks").resolve()), done.stderr


def test_pins_hold_for_what_a_host_lacks():
    pins = "anywidget==0.11.0\nruamel-yaml==1.0\ntorch==2.13.0 ; python_full_version < '3.12'\n"
    assert install.lacking(pins, ["Torch", "ruamel.yaml"]) == "anywidget==0.11.0\n"


def test_binder_installs_the_course_with_the_tested_versions():
    wanted = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    assert "-c ../constraints.txt" in wanted and ".[nuts,sweep]" in wanted
    assert (ROOT / "constraints.txt").is_file()
    python = (ROOT / "binder" / "runtime.txt").read_text().strip()
    assert re.fullmatch(r"python-3\.1[1-3]", python), "a version that pyproject.toml and Binder both have"
