"""What all tests share: one browser, one JupyterLab, Ctrl-C, no labels of a person, an audit of the figures of plots."""

import itertools
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the audit is shared with test_accessibility.py
sys.path.insert(0, str(Path(__file__).parent / "browser"))

NUMBERS = itertools.count()


def pytest_configure() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C; tests that send it to a child need one that listens."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker takes whole files, and all that work one JupyterLab: its server, kernel and page are started once."""
    from xdist.scheduler import LoadFileScheduling

    class OneLab(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "tests/browser" if file.startswith("tests/browser/") else file

    return OneLab(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One headless Chromium for all tests: a process has one Playwright. Where it is missing, they skip and say so."""
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed")
    from browser_lab import CHROMIUM, open_browser

    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install it, or name it in the variable CHROMIUM")
    with open_browser() as opened:
        yield opened


@pytest.fixture(autouse=True)
def labels_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A test sees neither a person's labels nor those of another test."""
    monkeypatch.setenv("BAL_LABELS", str(tmp_path_factory.getbasetemp() / f"labels-{next(NUMBERS)}"))


@pytest.fixture(autouse=True)
def figures_for_all_eyes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test of figures in which `figure_audit` finds fault."""
    if request.path.parent.name != "figures" and request.path.name != "test_plotting.py":
        yield
        return
    from figure_audit import faults
    from matplotlib.figure import Figure

    drawn, build = [], Figure.__init__

    def build_and_remember(figure: Figure, *arguments: object, **options: object) -> None:
        build(figure, *arguments, **options)
        drawn.append(figure)

    monkeypatch.setattr(Figure, "__init__", build_and_remember)
    yield
    found = [fault for figure in drawn for fault in faults(figure)]
    assert not found, "; ".join(found)
