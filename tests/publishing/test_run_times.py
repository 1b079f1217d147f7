"""Run times: measured by a timer, rounded to half minutes, written into copies of README and notebooks and nowhere else."""

import json
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `pytest` without `python -m`

from publishing import run_times

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def copy(tmp_path):
    """The README and two notebooks."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "README.md", tmp_path)
    for notebook in NOTEBOOKS[:2]:
        shutil.copy(notebook, tmp_path / "notebooks")
    return tmp_path


def changed_lines(before, after):
    pairs = zip(before.splitlines(), after.splitlines(), strict=True)
    return [new for old, new in pairs if old != new]


@pytest.mark.parametrize(
    ("seconds", "words", "figures"),
    [
        (1, "half a minute", "½"),
        (44, "half a minute", "½"),
        (46, "one minute", "1"),
        (74, "one minute", "1"),
        (76, "a minute and a half", "1½"),
        (120, "two minutes", "2"),
        (151, "two and a half minutes", "2½"),
        (12.6 * 60, "twelve and a half minutes", "12½"),
        (20 * 60, "20 minutes", "20"),
    ],
)
def test_minutes_are_rounded_to_halves(seconds, words, figures):
    assert run_times.in_words(seconds / 60) == words
    assert run_times.in_figures(seconds / 60) == figures


def test_measured_minutes_reach_readme_and_headers_and_nothing_else(copy):
    paths = [copy / "README.md", *sorted(copy.glob("notebooks/*.ipynb"))]
    before = [path.read_text() for path in paths]
    assert run_times.main([], copy, timer=fake) == 0
    readme, *headers = (changed_lines(old, path.read_text()) for old, path in zip(before, paths, strict=True))
    assert [row.split("|")[-2].strip() for row in readme] == ["7½", "3"]
    assert [len(lines) for lines in headers] == [1, 1]
    assert "**Run time:** about seven and a half minutes on two CPU cores." in headers[0][0]
    assert "about three minutes on two processor cores. **Reading and exercises:** about two hours." in headers[1][0]
    for path in paths[1:]:
        nbformat.validate(nbformat.read(path, as_version=4))
    assert not list(copy.rglob(".*.part"))


def fake(notebook):
    return {"00": 7.6, "01": 3.1}[notebook.name[:2]]


def test_the_second_time_changes_nothing(copy):
    run_times.main([], copy, timer=fake)
    written = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in copy.glob("**/*.[im]*") if path.is_file()}
    assert run_times.main([], copy, timer=fake) == 0
    assert written == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in written}


def test_stored_measurements_are_written_without_running(copy, capsys):
    run_times.main([], copy, timer=fake)
    after = (copy / "README.md").read_text()
    shutil.copy(ROOT / "README.md", copy)

    def never(notebook):
        raise AssertionError("nothing may run")

    stored = copy / "build" / "run_times.json"
    assert json.loads(stored.read_text()) == {"00_start_here": 7.6, "01_mle_map_bayes_regression": 3.1}
    assert run_times.main(["--from", str(stored)], copy, timer=never) == 0
    assert (copy / "README.md").read_text() == after


def test_only_the_named_notebook_is_measured(copy):
    before = (copy / "notebooks" / NOTEBOOKS[1].name).read_bytes()
    assert run_times.main([str(copy / "notebooks" / NOTEBOOKS[0].name)], copy, timer=fake) == 0
    assert (copy / "notebooks" / NOTEBOOKS[1].name).read_bytes() == before
    assert list(json.loads((copy / "build" / "run_times.json").read_text())) == ["00_start_here"]


def test_a_notebook_that_fails_is_named_and_the_others_are_written(copy, capsys):
    def half(notebook):
        if notebook.name.startswith("00"):
            raise RuntimeError("00 stopped")
        return 3.1

    assert run_times.main([], copy, timer=half) == 1
    assert "00 stopped" in capsys.readouterr().err
    assert "about three minutes" in (copy / "notebooks" / NOTEBOOKS[1].name).read_text()


def test_a_line_that_is_missing_is_told(copy, capsys):
    path = copy / "notebooks" / NOTEBOOKS[0].name
    path.write_text(path.read_text().replace("**Run time:**", "**Time:**"))
    (copy / "README.md").write_text("no map here\n")
    assert run_times.main([], copy, timer=fake) == 1
    told = capsys.readouterr().err
    assert told.count("expected one line '**Run time:** about") == 1 and told.count("expected one row") == 2
    assert (copy / "README.md").read_text() == "no map here\n"


@pytest.mark.parametrize("content", ["[]", '{"00": "two"}', '{"00": -1}'])
def test_a_file_that_is_no_measurement_is_refused(tmp_path, content):
    path = tmp_path / "minutes.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="minutes by the notebooks' names"):
        run_times.read(path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_header_has_the_line_and_it_agrees_with_the_readme(path):
    text = path.read_text()
    assert len(run_times.HEADER.findall(text)) == 1
    said = run_times.HEADER.search(nbformat.reads(text, as_version=4).cells[0].source)[2]
    row = re.search(rf"^\|.*\(notebooks/{path.stem}\.ipynb\).*$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    if row is not None:  # a notebook in the making is not on the map yet
        assert row[0].split("|")[-2].strip() == run_times.in_figures(minutes_of(said))


def minutes_of(words: str) -> float:
    """The minutes of a header, as `run_times` writes it or by hand in seconds."""
    words = re.sub("^(about|under) ", "", words)
    if seconds := re.fullmatch(r"(\d+) seconds", words):
        return int(seconds[1]) / 60
    known = {run_times.in_words(halves / 2): halves / 2 for halves in range(1, 30)}
    return (known | {"a minute": 1})[words]


def test_the_timer_runs_a_copy_at_lecture_scale(tmp_path, monkeypatch):
    monkeypatch.setenv("BAL_SCALE", "paper")
    code = 'import os; assert os.environ.get("BAL_SCALE") is None and os.environ["BAL_PROGRESS"] == "off"'
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(book, tmp_path / "one.ipynb")
    before = (tmp_path / "one.ipynb").read_bytes()
    assert 0 < run_times.run(tmp_path / "one.ipynb") < 10
    assert (tmp_path / "one.ipynb").read_bytes() == before and [path.name for path in tmp_path.iterdir()] == [
        "one.ipynb"
    ]
    book.cells[0].source = "1 / 0"
    nbformat.write(book, tmp_path / "two.ipynb")
    with pytest.raises(RuntimeError, match="two.ipynb did not run to its end"):
        run_times.run(tmp_path / "two.ipynb")
