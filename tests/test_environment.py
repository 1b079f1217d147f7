"""What is imported is declared and what is declared is used; pip and conda follow one list of versions."""

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("bal_utils", "bal_scenes", "bal_course")
OURS = {*PACKAGES, "publishing"}
BESIDE = {path.stem for path in (ROOT / "tests").rglob("*.py")}  # helpers that tests import by name
DISTRIBUTIONS = packages_distributions()
# what a folder's readers have installed, beside the package itself
EXTRAS = {
    **dict.fromkeys(PACKAGES, ("nuts", "sweep")),
    "notebooks": ("lab",),
    "publishing": ("site",),
    "publishing/playground_pictures.py": ("test",),
    "conftest.py": ("test",),
    "tests": ("test",),
}
# commands, and plugins that work without an import
RUN = {"jupyterlab", "ipykernel", "jupytext", "ruff", "pytest-rerunfailures", "pytest-xdist", "dask"} | {
    "sphinx",
    "myst-nb",
    "sphinx-book-theme",
    "sphinx-copybutton",
}


def requirements(lines: list[str]) -> set[str]:
    """The names in a list of requirements, the package's own extras followed."""
    names = set()
    for requirement in map(Requirement, lines):
        if canonicalize_name(requirement.name) == PROJECT["name"]:
            names |= set().union(
                *(requirements(PROJECT["optional-dependencies"][extra]) for extra in requirement.extras)
            )
        else:
            names.add(canonicalize_name(requirement.name))
    return names


def declared(*extras: str) -> set[str]:
    return requirements([*PROJECT["dependencies"], *(f"{PROJECT['name']}[{extra}]" for extra in extras)])


def python_in(path: Path) -> str:
    """The Python of a file, a notebook's without lines that are IPython's."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


def imported(path: Path) -> set[str]:
    """The distributions of everything that a file imports anywhere in it, but for what is Python's or ours."""
    modules = set()
    for node in ast.walk(ast.parse(python_in(path))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module.split(".")[0])
    others = modules - set(sys.stdlib_module_names) - OURS - BESIDE
    return {canonicalize_name(DISTRIBUTIONS.get(module, [module])[0]) for module in others}


def imported_below(place: str) -> set[str]:
    """As `imported`, of all files at a place, but for those that EXTRAS names apart and the benchmarks."""
    top = ROOT / place
    files = [top] if top.is_file() else [*top.rglob("*.py"), *top.rglob("*.ipynb")]
    apart = [ROOT / "tests" / "benchmarks", *(ROOT / other for other in EXTRAS if other != place)]
    files = [path for path in files if not any(path.is_relative_to(other) for other in apart) or path == top]
    return set().union(*map(imported, files))


@pytest.mark.parametrize(("place", "extras"), EXTRAS.items(), ids=list(EXTRAS))
def test_what_is_imported_is_declared(place, extras):
    assert imported_below(place) <= declared(*extras)


def test_what_the_benchmarks_import_is_in_their_own_list():
    folder = ROOT / "tests" / "benchmarks"
    lines = [line for line in (folder / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    names = {name.replace("_", "-") for name in set().union(*map(imported, folder.glob("*.py")))}
    assert names - {"skactiveml"} <= declared() | requirements(lines)


def test_what_is_declared_is_used():
    assert declared("test") - RUN <= set().union(*map(imported_below, EXTRAS))


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_every_requirement_is_pinned():
    assert declared(*PROJECT["optional-dependencies"]) <= {canonicalize_name(pin.name) for pin in pins()}


def test_pins_are_exact_and_torch_is_the_one_the_course_was_run_with():
    assert all(re.fullmatch(r"==[\w.+!-]+", str(pin.specifier)) for pin in pins())
    assert [str(pin.specifier) for pin in pins() if pin.name == "torch"] == ["==2.13.0"]


def test_pins_satisfy_the_requirements():
    wanted = {canonicalize_name(req.name): req.specifier for req in map(Requirement, PROJECT["dependencies"])}
    found = [pin for pin in pins() if canonicalize_name(pin.name) in wanted]
    assert {canonicalize_name(pin.name) for pin in found} == set(wanted)
    assert all(wanted[canonicalize_name(pin.name)].contains(next(iter(pin.specifier)).version) for pin in found)


def test_conda_follows_pip():
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert pip["pip"] == ["--constraint constraints.txt", "--editable .[test]"]
    specs = [re.fullmatch(r"(\w+)(?: (>=[\d.]+,<[\d.]+))?", spec) for spec in conda]  # a name, perhaps two bounds
    assert all(specs) and {spec[1] for spec in specs} == {"python", "pip", "make"}
    python = next(spec[2] for spec in specs if spec[1] == "python")
    assert python.startswith(f"{PROJECT['requires-python']},")
