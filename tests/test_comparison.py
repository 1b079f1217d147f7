"""nbval as this course uses it: which differences between a stored and a new output fail, and which do not."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent


def compare(tmp_path, code, *stored_outputs):
    """Whether nbval, with the course's conftest, accepts these outputs as those of `code`."""
    cell = nbformat.v4.new_code_cell(code, outputs=list(stored_outputs), execution_count=1)
    book = nbformat.v4.new_notebook(cells=[cell])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, tmp_path / "one.ipynb")
    (tmp_path / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    finished = subprocess.run([*command, f"--rootdir={tmp_path}", str(tmp_path)], capture_output=True, text=True)
    assert "plugin exception" not in finished.stdout
    return finished.returncode == 0


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


@pytest.mark.parametrize(
    ("code", "stored", "same"),
    [
        ("print('about 0.5001 of 7')", "about 0.5000 of 7\n", True),
        ("print('about 0.51 of 7')", "about 0.50 of 7\n", False),
        ("print('about 0.50 of 8')", "about 0.50 of 7\n", False),
        ("print('nearly 0.50 of 7')", "about 0.50 of 7\n", False),
        ("print('0.5 0.5')", "0.5\n", False),
    ],
)
def test_floats_within_tolerance_the_rest_exactly(code, stored, same, tmp_path):
    assert compare(tmp_path, code, stream(stored)) is same


def test_progress_on_stderr_is_left_out(tmp_path):
    code = "import sys; print('10%', file=sys.stderr); print('done')"
    assert compare(tmp_path, code, stream("99%", "stderr"), stream("done\n"))


def test_a_missing_output_fails(tmp_path):
    assert not compare(tmp_path, "x = 1", stream("done\n"))


def test_an_error_fails(tmp_path):
    assert not compare(tmp_path, "1 / 0")
