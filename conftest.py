"""How nbval compares notebooks: floats within a tolerance, text and integers exactly, progress bars (stderr) not at all.

A cell whose numbers differ more from machine to machine names a relative tolerance of its own in its metadata,
`"nbval": {"tolerance": 0.1}`; fewer printed digits are better. Where MNIST cannot be had, notebooks that use it run on
scikit-learn's digits: errors and assertions count, outputs do not.
No test reads or writes the marks and labels that a learner has on this machine; kernels and servers inherit the settings.
"""

import math
import os
import re
import tempfile
import warnings
from copy import deepcopy
from functools import cache

from publishing.stored import is_only_a_widget

try:
    from nbval.plugin import IPyNbCell
except ImportError:  # what runs no notebook needs no nbval

    class IPyNbCell:
        compare_outputs = None


os.environ["BAL_PROGRESS"] = "off"
os.environ["BAL_LABELS"] = tempfile.mkdtemp(prefix="labels-")

FLOAT = re.compile(r"(?<![\w.])[-+]?\d+\.\d*(?:e[-+]?\d+)?", re.IGNORECASE)
RELATIVE, ABSOLUTE = 2e-3, 1e-6  # threads and processors change the order of float32 sums; training amplifies that
compare_exactly = IPyNbCell.compare_outputs


def snap(came: str, stored: str, relative: float = RELATIVE) -> str:
    """`came`, with each float that is close to its counterpart in `stored` replaced by that counterpart."""
    counterparts = FLOAT.findall(stored)
    if len(counterparts) != len(FLOAT.findall(came)):
        return came
    remaining = iter(counterparts)

    def nearest(match: re.Match) -> str:
        counterpart = next(remaining)
        same = math.isclose(float(match[0]), float(counterpart), rel_tol=relative, abs_tol=ABSOLUTE)
        return counterpart if same else match[0]

    return re.sub(r"\s+", " ", FLOAT.sub(nearest, came)).strip()


def comparable(outputs: list, stored_outputs: list, relative: float = RELATIVE) -> list:
    """Outputs that are stored and compared, their floats snapped to those stored at the same place."""
    kept = [deepcopy(output) for output in outputs if is_compared(output)]
    stored = [output for output in stored_outputs if is_compared(output)]
    for output, counterpart in zip(kept, stored, strict=False):
        if "text" in output and "text" in counterpart:
            output["text"] = snap(output["text"], counterpart["text"], relative)
        for mime, text in output.get("data", {}).items():
            if mime.startswith("text/") and mime in counterpart.get("data", {}):
                output["data"][mime] = snap(text, counterpart["data"][mime], relative)
    return kept


def is_compared(output: dict) -> bool:
    """Not stderr, and not what is nothing but a widget: neither says the same in every run."""
    return output.get("name") != "stderr" and not is_only_a_widget(output)


def compare_within_tolerance(cell: IPyNbCell, came: list, stored: list, skip_compare=None) -> bool:
    relative = cell.cell.metadata.get("nbval", {}).get("tolerance", RELATIVE)
    return compare_exactly(cell, comparable(came, stored, relative), comparable(stored, stored), skip_compare)


IPyNbCell.compare_outputs = compare_within_tolerance


@cache
def mnist_is_here() -> bool:
    from bal_utils.data import load_images

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return not load_images("mnist").is_stand_in


def pytest_collection_modifyitems(items: list) -> None:
    for item in items:
        if isinstance(item, IPyNbCell) and uses_mnist(item.parent.nb) and not mnist_is_here():
            item.options["check"] = False


def uses_mnist(notebook) -> bool:
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return re.search(r"load_mnist|load_images\([\"']mnist", code) is not None
