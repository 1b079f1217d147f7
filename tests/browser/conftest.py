"""A JupyterLab for the browser tests."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # `latency.py`, run as a script, shares browser_lab.py with the tests

from browser_lab import Lab, running_lab
from gallery import Gallery


@pytest.fixture(scope="session")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """One server for all tests of notebooks in the browser."""
    with running_lab(browser, tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="session")
def gallery(lab: Lab) -> Gallery:
    """One notebook with all explorers, for all their tests."""
    return Gallery(lab)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On a busy machine a browser can miss the moment that a test waits for: a failed test has two more tries."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=2))
            item.add_marker(pytest.mark.slow)
