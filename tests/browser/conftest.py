"""A JupyterLab and a headless Chromium for the browser tests. Where Chromium is absent the tests skip and say so."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `latency.py`, run as a script, shares browser_lab.py with the tests

from browser_lab import CHROMIUM, Lab, running_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """One server and one browser for all browser tests."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install it, or name it in the variable CHROMIUM")
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a busy machine a browser can miss the moment that a test waits for: a failed test has two more tries."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=2))
