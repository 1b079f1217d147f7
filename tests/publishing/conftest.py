"""The web site for the tests that read it and for those that open it in a browser."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for `pytest` without `python -m`

from publishing.site import JUPYTER_BOOK, ROOT, build


@pytest.fixture(scope="session")
def site() -> Path:
    """The site; built anew where something has changed since `make site`."""
    if not JUPYTER_BOOK.exists():
        pytest.skip("Jupyter Book is not installed: `make site` puts it into build/site-env (CI does)")
    return build(ROOT / "build" / "site")
