"""Every figure that a test of the plotting helpers draws is audited: contrast, and no meaning by colour alone."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the audit is shared with test_accessibility.py


@pytest.fixture(autouse=True)
def figures_for_all_eyes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails a test_plotting*.py whose figures `figure_audit` finds fault with."""
    if not request.path.name.startswith("test_plotting"):
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
