"""The targets of the long runs continue the records in figures/: every record is a run that one of their commands asks for."""

import shlex
import subprocess
from pathlib import Path

from bal_utils.active_learning import in_json
from bal_utils.records import load_run
from bal_utils.sweep import __main__ as command
from bal_utils.sweep import run_paths

ROOT = Path(__file__).parents[2]
TO_CONTINUE = ("figures", "replication")


def long_runs() -> list[list[str]]:
    """The options of every sweep that the targets would start, their loops unrolled."""
    make = ["make", "--dry-run", "--always-make", *TO_CONTINUE, "SWEEP=echo SWEEP"]
    lines = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.replace("\\\n", " ")
    sweeps = "\n".join(line for line in lines.splitlines() if "echo SWEEP" in line)
    printed = subprocess.run(["bash", "-c", sweeps], capture_output=True, text=True, check=True).stdout
    return [shlex.split(line)[1:] for line in printed.splitlines()]


def test_every_record_is_continued_by_a_target(monkeypatch):
    monkeypatch.delenv("BAL_SCALE", raising=False)
    monkeypatch.chdir(ROOT)
    asked_for = {}
    for options in map(command._parse, long_runs()):
        configs = command._configs(options)
        asked_for |= dict(zip(run_paths(configs, options.out), map(in_json, configs), strict=True))
    records = list((ROOT / "figures").rglob("*_seed*.json"))
    assert len(records) > 100
    for path in records:
        config = load_run(path)["config"]
        assert path in asked_for, path
        assert config | {"labels": asked_for[path]["labels"]} == asked_for[path], path
