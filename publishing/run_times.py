"""Measured run times, in the README's map and in the header of each notebook: `python -m publishing.run_times [NOTEBOOK...]`.

Each notebook is run from top to bottom in a temporary copy, at `lecture` scale, one after the other, best on an idle
machine. The minutes are kept in `build/run_times.json` as they come in; `--from FILE` writes those of such a file without
running anything. Nothing else in the README or in a notebook is touched: the words are replaced in the text of the file.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from publishing.links import lessons

ROOT = Path(__file__).parent.parent
MEASURED = ROOT / "build" / "run_times.json"
UNITS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
# in the source of a cell, as JSON has it: "**Run time:** about two minutes on two CPU cores."
HEADER = re.compile(r"(\*\*Run time:?\*\*:? )((?:about|under) [^*\"\\.,]+?)( on two (?:CPU|processor) cores)")


def run(notebook: Path) -> float:
    """The minutes that a notebook takes in a copy, kernel start included. Raises RuntimeError where a cell fails."""
    environment = {name: value for name, value in os.environ.items() if name != "BAL_SCALE"} | {"BAL_PROGRESS": "off"}
    with tempfile.TemporaryDirectory(prefix="run-times-") as folder:
        place = Path(folder, "notebooks")
        place.mkdir()
        (place / notebook.name).write_bytes(notebook.read_bytes())
        Path(folder, "figures").symlink_to(ROOT / "figures")  # where notebooks find stored runs
        command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", notebook.name]
        start = time.monotonic()
        ended = subprocess.run(
            [*command, "--ExecutePreprocessor.timeout=1800"], cwd=place, env=environment, capture_output=True, text=True
        )
        seconds = time.monotonic() - start
    if ended.returncode:
        raise RuntimeError(f"{notebook.name} did not run to its end: {ended.stderr.strip()[-500:]}")
    return seconds / 60


def halves(minutes: float) -> int:
    """Half minutes, at least one."""
    return max(1, round(2 * minutes))


def in_words(minutes: float) -> str:
    """For the header: "half a minute", "a minute and a half", "two minutes", "two and a half minutes"."""
    whole, half = divmod(halves(minutes), 2)
    number = UNITS[whole] if whole < len(UNITS) else str(whole)
    if whole == 0:
        return "half a minute"
    if whole == 1:
        return "a minute and a half" if half else "one minute"
    return f"{number} and a half minutes" if half else f"{number} minutes"


def in_figures(minutes: float) -> str:
    """For the README's table: ½, 1, 1½, 2."""
    whole, half = divmod(halves(minutes), 2)
    return f"{whole or ''}{'½' if half else ''}"


def with_header(text: str, minutes: float) -> str:
    """The text of a notebook's file with the run time in its header. Raises ValueError where there is not one such line."""
    changed, count = HEADER.subn(lambda found: f"{found[1]}about {in_words(minutes)}{found[3]}", text)
    if count != 1:
        raise ValueError(
            f"expected one line '**Run time:** about ... on two CPU cores' in the notebook's first cell, got {count}"
        )
    return changed


def with_row(readme: str, name: str, minutes: float) -> str:
    """The README with the minutes in the map's row of a notebook. Raises ValueError where the map has no row for it."""
    row = re.compile(
        rf"^(\|[^|\n]*\(notebooks/{re.escape(name)}\.ipynb\)[^|\n]*\|[^|\n]*\| *)[^|\n]*?( *\|)$", re.MULTILINE
    )
    changed, count = row.subn(lambda found: found[1] + in_figures(minutes) + found[2], readme)
    if count != 1:
        raise ValueError(f"expected one row of README.md's map that links notebooks/{name}.ipynb, got {count}")
    return changed


def replace(path: Path, change: Callable[[str], str]) -> bool:
    """Rewrites a file, whole or not at all, where `change` changes its text; tells whether it did."""
    before = path.read_text(encoding="utf-8")
    after = change(before)
    if after == before:
        return False
    part = path.with_name(f".{path.name}.part")
    part.write_text(after, encoding="utf-8")
    part.chmod(path.stat().st_mode)
    part.replace(path)
    return True


def apply(measured: dict[str, float], root: Path = ROOT) -> list[str]:
    """Writes minutes, by the notebooks' names, into the README and the headers; returns what could not be written, and why."""
    troubles = []
    for name, minutes in sorted(measured.items()):
        for path, change in (
            (root / "notebooks" / f"{name}.ipynb", lambda text, minutes=minutes: with_header(text, minutes)),
            (root / "README.md", lambda text, name=name, minutes=minutes: with_row(text, name, minutes)),
        ):
            try:
                replace(path, change)
            except (OSError, ValueError) as error:
                troubles.append(f"{name}: {error}")
    return troubles


def measure(notebooks: Iterable[Path], out: Path = MEASURED, timer: Callable[[Path], float] = run) -> dict[str, float]:
    """The minutes of each notebook, added to those in `out` after each; one that fails is named and left out."""
    measured = {}
    for notebook in notebooks:
        try:
            measured[notebook.stem] = round(timer(notebook), 3)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            continue
        print(f"{notebook.stem}: {60 * measured[notebook.stem]:.0f} seconds", flush=True)
        kept = read(out) if out.exists() else {}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(kept | measured, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return measured


def read(path: Path) -> dict[str, float]:
    """Minutes by the notebooks' names from a file of measurements. Raises ValueError where it is not one."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not all(isinstance(v, (int, float)) and 0 < v < 1e4 for v in found.values()):
        raise ValueError(f"{path}: expected an object of minutes by the notebooks' names")
    return {str(name): float(minutes) for name, minutes in found.items()}


def main(arguments: list[str] | None = None, root: Path = ROOT, timer: Callable[[Path], float] = run) -> int:
    """Measures or reads, then writes; 1 where a notebook failed or a line was not found."""
    parser = argparse.ArgumentParser(
        prog="python -m publishing.run_times", description=(__doc__ or "").split("\n\n")[1]
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="by default all, in order")
    parser.add_argument("--from", dest="stored", type=Path, metavar="FILE", help="write stored minutes, run nothing")
    chosen = parser.parse_args(arguments)
    notebooks = chosen.notebooks or [*lessons(root).values()]
    if chosen.stored:
        wanted = {notebook.stem for notebook in notebooks}
        measured = {name: minutes for name, minutes in read(chosen.stored).items() if name in wanted}
    else:
        measured = measure(notebooks, root / MEASURED.relative_to(ROOT), timer)
    troubles = apply(measured, root)
    print(*troubles, sep="\n", file=sys.stderr, end="\n" if troubles else "")
    return int(bool(troubles) or (not chosen.stored and len(measured) < len(notebooks)))


if __name__ == "__main__":
    sys.exit(main())
