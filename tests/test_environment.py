"""pip and conda follow one list of versions, and every requirement is on it."""

import functools
import operator
import re
import tomllib
from pathlib import Path

import rattler
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_requirement_is_pinned():
    pinned = {normal(pin.name) for pin in pins()}
    listed = [*PROJECT["dependencies"], *functools.reduce(operator.iadd, PROJECT["optional-dependencies"].values(), [])]
    wanted = {normal(Requirement(line).name) for line in listed} - {"bal-utils"}
    assert wanted <= pinned


def test_pins_are_exact_and_torch_is_the_one_the_course_was_run_with():
    assert all(re.fullmatch(r"==[\w.+!-]+", str(pin.specifier)) for pin in pins())
    assert [str(pin.specifier) for pin in pins() if pin.name == "torch"] == ["==2.13.0"]


def test_pins_satisfy_the_requirements():
    wanted = {normal(req.name): req.specifier for req in map(Requirement, PROJECT["dependencies"])}
    for pin in pins():
        version = next(iter(pin.specifier)).version
        assert wanted.get(normal(pin.name), SpecifierSet()).contains(version)


def test_conda_follows_pip():
    *conda, pip = ENVIRONMENT["dependencies"]
    assert pip["pip"] == ["--constraint constraints.txt", "--editable .[test]"]
    specs = {spec.name.normalized: spec for spec in map(rattler.MatchSpec, conda)}
    assert set(specs) == {"python", "pip", "make"}
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert str(specs["python"].version).startswith(f">={oldest}")
