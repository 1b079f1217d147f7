"""The house: imports go down only, by folders, and the library needs nothing that a bare GPU machine lacks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# each may import what stands before it
PACKAGES = ("bal_utils", "bal_scenes", "bal_course")
ROOMS = (
    "checks",
    "runtime",
    "records",
    "plotting",
    "theory",
    "data",
    "models",
    "training",
    "posteriors",
    "batchbald",
    "acquisition",
    "active_learning",
    "sweep",
)
STYLE = "bal_utils.plotting"  # all that the widget engine may know of the library
OPTIONAL = (
    "IPython",
    "ipywidgets",
    "anywidget",
    "pyro",
    "dask",
    "distributed",
    "requests",
    "platformdirs",
    "jupyterlab",
)
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """The modules of the three packages that a file imports anywhere in it, in full."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return {module for module in modules if module.split(".")[0] in PACKAGES}


def test_every_room_has_its_place():
    rooms = {
        path.stem for path in (ROOT / "bal_utils").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    package, *inside = path.relative_to(ROOT).with_suffix("").parts
    for module in imported_modules(path):
        other, room, *_ = *module.split("."), ""
        if other != package:
            assert PACKAGES.index(other) < PACKAGES.index(package), f"{package} imports {module}"
            assert package != "bal_scenes" or module.startswith(STYLE), f"the widget engine imports {module}"
        elif package == "bal_utils" and inside[0] != "__init__":
            assert ROOMS.index(room) <= ROOMS.index(inside[0]), f"{inside[0]} imports {module}"


def test_the_library_imports_without_the_optional_packages():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if path.is_relative_to(ROOT / "bal_utils") and path.stem != "__main__"
    ]
    hide = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r}))"
    code = "; ".join([hide, "import importlib", f"[importlib.import_module(name) for name in {modules!r}]"])
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
