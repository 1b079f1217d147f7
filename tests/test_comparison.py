"""nbval as this course uses it: which differences between a stored and a new output fail, and which do not."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow  # a kernel has to start


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(**data):
    return nbformat.v4.new_output("display_data", {kind.replace("_", "/"): words for kind, words in data.items()})


ASKED = "from IPython.display import display; display({'%s': {'model_id': '7'}, %s 'text/plain': 'Predict.'}, raw=True)"
WIDGET = "application/vnd.jupyter.widget-view+json"
PAGE = shown(text_html="Which?", text_plain="Predict.")
TENTH = {"nbval": {"tolerance": 0.1}}
CASES = {
    "close": ("print('about 0.5001 of 7')", [stream("about 0.5000 of 7\n")], True),
    "close for a cell with a tolerance": ("print('0.54 of 7')", [stream("0.50 of 7\n")], True, TENTH),
    "not close even so": ("print('0.56 of 7')", [stream("0.50 of 7\n")], False, TENTH),
    "another whole number even so": ("print('0.54 of 8')", [stream("0.50 of 7\n")], False, TENTH),
    "another word even so": ("print('0.54 off 7')", [stream("0.50 of 7\n")], False, TENTH),
    "not close": ("print('about 0.51 of 7')", [stream("about 0.50 of 7\n")], False),
    "another whole number": ("print('about 0.50 of 8')", [stream("about 0.50 of 7\n")], False),
    "another word": ("print('nearly 0.50 of 7')", [stream("about 0.50 of 7\n")], False),
    "one float more": ("print('0.5 0.5')", [stream("0.5\n")], False),
    "progress on stderr": (
        "import sys; print('10%', file=sys.stderr); print('done')",
        [stream("99%", "stderr"), stream("done\n")],
        True,
    ),
    "a progress bar as a widget": (ASKED % (WIDGET, ""), [], True),
    "a widget beside its page": (ASKED % (WIDGET, "'text/html': 'Which?',"), [PAGE], True),
    "another page": (ASKED % (WIDGET, "'text/html': 'What?',"), [PAGE], False),
    "a blank line before what is folded": ("print('done')", [stream(" \ndone\n")], True),
    "nothing where something was": ("x = 1", [stream("done\n")], False),
    "an error": ("1 / 0", [], False),
}


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether nbval, with the course's conftest, accepts the stored outputs as those of the code: one notebook for all."""
    folder = tmp_path_factory.mktemp("one")
    cells = [
        nbformat.v4.new_code_cell(code, outputs=stored, execution_count=1, metadata=metadata[0] if metadata else {})
        for code, stored, _, *metadata in CASES.values()
    ]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "one.ipynb")
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    options = [
        "-p",
        "no:cacheprovider",
        "--nbval",
        "--nbval-current-env",
        "--junitxml=found.xml",
        f"--rootdir={folder}",
    ]
    command = [sys.executable, "-m", "pytest", "-q", *options, "."]
    here = os.environ | {"PYTHONPATH": str(ROOT)}  # for what the conftest imports
    finished = subprocess.run(command, cwd=folder, env=here, capture_output=True, text=True)
    assert "plugin exception" not in finished.stdout
    found = ElementTree.parse(folder / "found.xml").iter("testcase")
    return {name: len(cell) == 0 for name, cell in zip(CASES, found, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_floats_within_tolerance_the_rest_exactly(accepted, name):
    assert accepted[name] is CASES[name][2]
