"""JupyterLab on this machine and a headless Chromium that works the explorers in it."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # whatever is not on this machine fails at once
]  # fmt: skip
READY = "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
HAS_KERNEL = (
    "() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.connectionStatus === 'connected'"
)
HAS_STARTED = (
    "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(p => /[0-9*]/.test(p.textContent))"
)
HAVE_RUN = """() => [...document.querySelectorAll('.jp-OutputArea-output')].some(o => o.textContent.includes('Traceback'))
  || [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt:not(.jp-Placeholder-prompt)')]
    .every(p => /[0-9]/.test(p.textContent))"""


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of code cells that have not been run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@contextmanager
def jupyter_lab(folder: Path, scratch: Path) -> Iterator[tuple[int, str]]:
    """Serves `folder` on 127.0.0.1 while the block lasts; gives port and token. Settings and logs go to `scratch`."""
    settings = scratch / "settings" / "@jupyterlab"
    for plugin, name, value in (
        ("notebook-extension", "tracker", {"windowingMode": "none"}),  # else cells out of sight are not in the page
        ("apputils-extension", "notification", {"fetchNews": "false", "checkForUpdates": False}),
    ):
        (settings / plugin).mkdir(parents=True)
        (settings / plugin / f"{name}.jupyterlab-settings").write_text(json.dumps(value))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port, token = probe.getsockname()[1], secrets.token_hex(16)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--expose-app-in-browser",
        f"--LabApp.user_settings_dir={scratch / 'settings'}", f"--LabApp.workspaces_dir={scratch / 'workspaces'}",
        "--LabApp.extension_manager=readonly",
        "--MappingKernelManager.cull_idle_timeout=900", "--ServerApp.shutdown_no_activity_timeout=900",  # if we are killed
    ]  # fmt: skip
    with (scratch / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, scratch / "lab.log")
        yield port, token
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:  # it waits for kernels, and no test asks how it ends
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


class NotebookPage:
    """One notebook, open in the browser."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def run_all(self, seconds: float = 180) -> None:
        """Runs every cell and waits until the last has ended, or one has failed."""
        self.page.wait_for_function(HAS_KERNEL, timeout=120_000)  # before that, running a cell opens a dialog
        self.page.wait_for_function(READY, timeout=120_000)
        for _ in range(10):  # a notebook that is still opening ignores commands
            self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
            self.page.wait_for_timeout(3_000)
            if self.page.evaluate(HAS_STARTED):
                break
        self.page.wait_for_function(HAVE_RUN, timeout=1000 * seconds)
        self.page.wait_for_function(READY, timeout=60_000)

    def errors(self) -> list[str]:
        """The tracebacks in the page, whether a cell failed or the display of its value did."""
        kinds = ", ".join(f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr"))
        return self.page.locator(kinds).filter(has_text="Traceback").all_inner_texts()

    def explorer(self, index: int = 0) -> "ExplorerOnPage":
        """The explorer of this number, once its picture has been drawn."""
        return ExplorerOnPage(self.page, self.page.locator(".bal-explorer:has(canvas.bal-picture)").nth(index))

    def wait_for_kernel(self, seconds: float = 120) -> None:
        """Waits until the kernel has nothing more to do: what is pressed before waits in its queue."""
        self.page.wait_for_function(READY, timeout=1000 * seconds)

    def explorer_with_button(self, words: str) -> "ExplorerOnPage":
        """The first explorer that has a button with these words."""
        button = self.page.get_by_role("button", name=words, exact=True)
        return ExplorerOnPage(self.page, self.page.locator(".bal-explorer").filter(has=button).first)


class ExplorerOnPage:
    """An explorer in the page, worked as a learner does."""

    def __init__(self, page: Any, box: Any) -> None:
        self.page, self.box = page, box
        self.canvas = self.box.locator("canvas.bal-picture")
        self.box.locator("canvas.bal-picture[data-drawn]").wait_for(timeout=60_000)
        self.canvas.scroll_into_view_if_needed()
        page.wait_for_timeout(400)  # the controls are still finding their places

    def pixels(self) -> str:
        """The picture, as the text of a PNG."""
        return self.canvas.evaluate("canvas => canvas.toDataURL()")

    def status(self) -> str:
        """The sentence of the status line."""
        return self.box.locator(".bal-status").inner_text().strip()

    def targets(self) -> list[dict[str, Any]]:
        """The marks that can be clicked or dragged: id, panel, place and size in pixels of the canvas."""
        return self.canvas.evaluate("canvas => canvas.targets")

    def place(self, point: int, right: float = 0, down: float = 0) -> dict[str, float]:
        """A place on the canvas: the mark with this id, or so many pixels beside it."""
        found = next(target for target in self.targets() if target["id"] == point)
        return {"x": found["x"] + right, "y": found["y"] + down}

    def click_point(self, point: int, **options: Any) -> None:
        """Clicks the mark or image with this id."""
        self.canvas.click(position=self.place(point), **options)

    def drag(self, point: int, right: float, down: float) -> None:
        """Drags a mark by so many pixels, as a hand does: over places between, to each of which there is an answer."""
        start, box, mouse = self.place(point), self.canvas.bounding_box(), self.page.mouse
        x, y = box["x"] + start["x"], box["y"] + start["y"]
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + right, y + down, steps=8)
        mouse.up()
        before, now = "", self.pixels()
        while now != before:
            self.page.wait_for_timeout(300)
            before, now = now, self.pixels()

    def press_button(self, words: str) -> None:
        """Presses the button with these words."""
        self.box.get_by_role("button", name=words, exact=True).click()

    def open_more(self) -> None:
        """Opens the controls that stand behind "More", where there are such."""
        header = self.box.locator(".jupyter-widget-Collapse-header").filter(has_text="More")
        if header.count() and "jupyter-widget-Collapse-open" not in header.locator("..").get_attribute("class"):
            header.click()
            self.page.wait_for_timeout(500)

    def slider(self, index: int = 0) -> Any:
        """Focuses a slider and gives it, ready for keys."""
        if not self.box.locator(".noUi-handle").nth(index).is_visible():
            self.open_more()
        handle = self.box.locator(".noUi-handle").nth(index)
        handle.focus()
        return handle

    def wait_for_status(self, words: str, seconds: float = 10) -> None:
        """Waits until the status line holds these words."""
        end = time.monotonic() + seconds
        while words not in (now := self.status()):
            if time.monotonic() > end:
                raise AssertionError(f"expected {words!r} in the status line within {seconds} s, found {now!r}")
            self.page.wait_for_timeout(20)

    def wait_until(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Waits until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s in vain; status: {self.status()}")
            self.page.wait_for_timeout(20)

    def wait_for_change(self, before: str, seconds: float = 10) -> str:
        """Waits until the picture differs from `before` and gives it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (now := self.pixels()) != before:
                return now
            self.page.wait_for_timeout(20)
        raise AssertionError(f"the picture did not change in {seconds} s; status: {self.status()}")


@contextmanager
def open_browser(**launch: Any) -> Iterator[Any]:
    """A headless Chromium while the block lasts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS, **launch)
        try:
            yield browser
        finally:
            browser.close()


class Lab:
    """A running JupyterLab with a browser before it; notebooks are opened from copies in its folder."""

    def __init__(self, browser: Any, folder: Path, port: int, token: str) -> None:
        self.browser, self.folder, self.port, self.token = browser, folder, port, token

    def copy(self, notebook: Path) -> str:
        """Copies a notebook, without its outputs, to where it finds the stored figures; gives its name there."""
        found = nbformat.read(notebook, as_version=4)
        for cell in found.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(found, self.folder / notebook.name)
        figures, link = notebook.resolve().parents[1] / "figures", self.folder.parent / "figures"
        if figures.is_dir() and not link.exists():
            link.symlink_to(figures)
        return notebook.name

    def run_cells(self, name: str, *cells: str) -> NotebookPage:
        """A new notebook of these cells, open and run without an error: the quickest way to an explorer."""
        write_notebook(self.folder / f"{name}.ipynb", *cells)
        return self._run(f"{name}.ipynb", seconds=180)

    def run_notebook(self, path: Path) -> NotebookPage:
        """A copy of one of the course's notebooks, open and run from top to bottom without an error."""
        return self._run(self.copy(path), seconds=600)

    def _run(self, name: str, seconds: float) -> NotebookPage:
        opened = self.open(name)
        opened.run_all(seconds)
        assert opened.errors() == []
        return opened

    def open(self, name: str, **view: Any) -> NotebookPage:
        """Opens a notebook of the served folder in a new page."""
        page = self.browser.new_page(**{"viewport": {"width": 1280, "height": 1100}} | view)
        page.goto(f"http://127.0.0.1:{self.port}/doc/tree/{name}?token={self.token}&reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        page.wait_for_function("() => window.jupyterapp !== undefined", timeout=60_000)
        page.wait_for_timeout(2_000)
        return NotebookPage(page)


@contextmanager
def running_lab(browser: Any, scratch: Path) -> Iterator[Lab]:
    """A JupyterLab for a browser while the block lasts; all it writes goes to `scratch`."""
    folder = scratch / "notebooks"
    folder.mkdir()
    with jupyter_lab(folder, scratch) as (port, token):
        yield Lab(browser, folder, port, token)
