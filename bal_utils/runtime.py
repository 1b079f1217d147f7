"""Where to compute, how large, and with which random numbers."""

import hashlib
import os
import platform
import subprocess
from numbers import Integral, Real
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Generator

Scale = Literal["lecture", "paper"]
SCALES: tuple[Scale, ...] = ("lecture", "paper")


def choose_device(name: str | None = None) -> torch.device:
    """The device to compute on: `name` if given, else `BAL_DEVICE`, else a GPU if there is one, else the CPU.

    Raises ValueError where the named device is unknown or absent.
    """
    given = name is not None and name != ""  # 0 is a device
    source, name = ("device", name) if given else ("BAL_DEVICE", os.environ.get("BAL_DEVICE"))
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if name is None or name == "":
        return accelerator or torch.device("cpu")
    try:
        torch.zeros(1, device=name).item()  # which "meta" cannot do
        return torch.device(name)
    except (RuntimeError, AssertionError, ImportError, TypeError) as error:
        known = f"'{accelerator.type}' or 'cpu'" if accelerator else "'cpu'"
        raise ValueError(f"{source}: expected one that this machine has ({known}), got {name!r}") from error


def scale(name: str | None = None) -> Scale:
    """The scale of an experiment: `name` if given, else `BAL_SCALE`, else "lecture" (two CPU cores, minutes).

    "paper" asks for the full published protocol. Raises ValueError for any other name.
    """
    source = "scale" if name else "BAL_SCALE"
    name = name or os.environ.get("BAL_SCALE") or "lecture"
    if name not in SCALES:
        raise ValueError(f"{source}: expected one of {', '.join(SCALES)}, got {name!r}")
    return name


def stream_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every word of `purpose`, the same on every machine.

    A whole number of NumPy gives what Python's gives. Raises TypeError where the seed is no whole number, or a word of the
    purpose is neither a text nor a number.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise TypeError(f"seed: expected an integer, got {seed!r}")
    for word in purpose:
        if not isinstance(word, str | Real):
            raise TypeError(f"purpose: expected texts and whole numbers, got {word!r}")
    words = [word.item() if isinstance(word, np.generic) else word for word in purpose]
    digest = hashlib.sha256(repr((int(seed), *words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, *purpose: str | int) -> Generator:
    """A random stream of its own for one purpose: `stream(0, "masks")`, `stream(0, "train", 3)`.

    Draws from one stream never move another, so adding a plot cannot change a split. The generator lives on the CPU:
    numbers drawn there and moved are the same whatever the device.
    """
    return Generator().manual_seed(stream_seed(seed, *purpose))


def data_home() -> Path:
    """The platform's folder for what a person made and would miss: marks and labels. It need not exist yet."""
    import platformdirs

    return platformdirs.user_data_path("bayesian-active-learning", appauthor=False)


def describe_machine(device: torch.device) -> dict[str, str | int]:
    """What a record must name to be understood later: device, threads, versions, and the git revision of the code."""
    on_gpu = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if on_gpu else f"{device.type} ({platform.machine()})",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "git_revision": git_revision(),
    }


def git_revision(package: Path = Path(__file__).parent) -> str:
    """The commit of the code that runs, with "+changes" where the package differs from it; "unknown" outside a git checkout.

    Records and figures may differ: a sweep writes them. Where `BAL_REVISION` is set, it is that: whoever copies the code to
    another machine without its history can say so.
    """
    if named := os.environ.get("BAL_REVISION"):
        return named
    git = ["git", "-C", str(package)]
    try:
        commit, changes = (
            subprocess.run([*git, *command], capture_output=True, text=True, check=True).stdout.strip()
            for command in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "."])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}+changes" if changes else commit
