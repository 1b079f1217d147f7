"""The command of a module whose results are stored, one file a name."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import torch


def store(description: str, option: str, names: Iterable[str], write: Callable[[Path, str], object]) -> None:
    """Reads a folder and the names wanted, all of them by default, and calls `write(path, name)` for each."""
    names = list(names)
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument(f"--{option}", dest="wanted", nargs="+", choices=names, default=names)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.wanted:
        write(given.folder / f"{name}.json", name)
