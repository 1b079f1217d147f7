"""Imports go down only, and the lower layers need nothing that a bare GPU machine lacks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bal_utils"
LAYERS = (
    {"checks", "runtime", "information", "records", "intervals", "workers"},
    {"mnist", "data", "models", "metrics", "plotting", "batchbald"}
    | {"linear_regression", "logistic_regression", "uncertainty", "divergence"}
    | {"expected_change", "core_set", "stochastic_batches", "replication", "cluster", "epig", "label_store"},
    {"training", "lanes", "posteriors", "acquisition", "variational", "dropout_elbo", "image_sets", "own_data"},
    {"loop_config", "active_learning", "sweep", "comparison", "runs"},
    {"explorers", "exercises"},
)
# within a layer these may be imported by their neighbours
FOUNDATIONS = {
    "checks",
    "mnist",
    "batchbald",
    "training",
    "loop_config",
    "active_learning",
    "runs",
    "posteriors",
    "explorers",
    "exercises",
}
OPTIONAL = ("IPython", "ipywidgets", "anywidget", "pyro", "dask", "distributed", "pooch", "torchmetrics", "jupyterlab")


def layer_of(name: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if name in names)


def imported_parts(path: Path) -> set[str]:
    """The parts of bal_utils (file or folder names) that a file imports anywhere in it."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "bal_utils":
            parts |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bal_utils."):
            parts.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            parts |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("bal_utils.")}
    return parts


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        assert not imported_parts(path)
        return
    for part in imported_parts(path):
        below = layer_of(part) < layer_of(own)
        assert below or part == own or (layer_of(part) == layer_of(own) and part in FOUNDATIONS), (
            f"{own} imports {part}"
        )


def test_lower_layers_import_without_the_optional_packages():
    modules = [
        ".".join(("bal_utils", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in ("explorers", "exercises") and path.stem != "__init__"
    ]
    hide = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r}))"
    code = "; ".join([hide, "import importlib", f"[importlib.import_module(name) for name in {modules!r}]"])
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
