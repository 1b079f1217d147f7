"""The first minute of `make lab`: what a learner sees when JupyterLab opens, before anything has been clicked."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = "publishing/lab/jupyter_lab_config.py"
BEGUN = """() => document.querySelector(".jp-Notebook .jp-Cell")
    && document.querySelectorAll(".jp-TableOfContents .jp-tocItem").length > 3
    && document.querySelectorAll(".jp-DirListing-item").length > 3"""
CUT = """() => [...document.querySelectorAll(".jp-DirListing-itemText")]
    .filter((name) => name.scrollWidth > name.clientWidth).map((name) => name.innerText)"""


@pytest.fixture
def lab(browser, tmp_path):
    """A page on a JupyterLab that nobody has used before, started as `make lab` starts it."""
    from browser_lab import _wait_for

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port, token = probe.getsockname()[1], secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", f"--config={CONFIG}", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}"]
    command += ["--ServerApp.shutdown_no_activity_timeout=300"]  # if we are killed
    folders = {"JUPYTERLAB_WORKSPACES_DIR": tmp_path / "workspaces", "JUPYTER_CONFIG_DIR": tmp_path / "config"}
    environment = os.environ | {name: str(path) for name, path in folders.items()}
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, tmp_path / "lab.log")
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"http://127.0.0.1:{port}/?token={token}")
        page.wait_for_function(BEGUN, timeout=90_000)
        yield page
        page.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


def test_the_first_screen_is_notebook_00_with_its_contents_and_whole_names_and_no_news(lab):
    assert lab.url.endswith("/lab/tree/notebooks/00_start_here.ipynb")
    names = lab.locator(".jp-DirListing-itemText").all_inner_texts()
    assert "05_dropout_as_variational_inference.ipynb" in names and lab.evaluate(CUT) == []
    assert lab.locator(".jp-TableOfContents .jp-tocItem").first.is_visible()
    lab.wait_for_timeout(3_000)  # news would come now
    assert lab.locator(".Toastify__toast").count() == 0


@pytest.mark.parametrize("file", ["Makefile", "README.md"])
def test_every_way_to_start_uses_these_settings(file):
    lines = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines() if "jupyter lab " in line]
    assert lines and all(f"--config={CONFIG}" in line for line in lines)


def test_binder_takes_the_same_settings(tmp_path):
    """Its script runs in the repository's folder, with the environment's own Python."""
    places = {"JUPYTERLAB_WORKSPACES_DIR": tmp_path / "workspaces", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for name, lines in (("python", f"echo {tmp_path}/env"), ("jupyter", f'exec {sys.executable} -m jupyter "$@"')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {name: str(value) for name, value in places.items()}
    bash = shutil.which("bash") or pytest.skip("no bash on this machine")
    subprocess.run([bash, "binder/postBuild"], cwd=ROOT, env=environment, check=True, capture_output=True)
    assert (tmp_path / "env/share/jupyter/lab/settings/overrides.json").is_file()
    assert [path.name for path in (tmp_path / "workspaces").iterdir()] == ["default-37a8.jupyterlab-workspace"]
