"""Install the course beside what a host has: `python publishing/install.py`, as the first cell of a hosted notebook does.

The versions in constraints.txt are taken for what the host lacks. What it has stays wherever it is new enough: its PyTorch fits
its GPU's driver, and packages that the running kernel has loaded cannot be replaced under it.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent


def plain(name: str) -> str:
    """A package's name as it is compared: `ruamel.yaml` and `Ruamel_YAML` are one."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lacking(constraints: str, present: Iterable[str]) -> str:
    """The lines of a constraints file for packages that are not present."""
    known = {plain(name) for name in present}
    return "".join(
        line for line in constraints.splitlines(keepends=True) if plain(line.partition("==")[0]) not in known
    )


def main() -> None:
    present = [found.name for found in distributions() if found.name]
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "constraints.txt"
        pins.write_text(lacking((ROOT / "constraints.txt").read_text(encoding="utf-8"), present), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "--quiet", f"{ROOT}[nuts,sweep]", "--constraint", str(pins)]
        sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
