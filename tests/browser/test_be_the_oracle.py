"""The labelling widget in a real browser: keys alone, wrong keys, undo to the start, a kernel that is shot, two windows."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_lab import ExplorerOnPage, Lab, NotebookPage
from gallery import LABELS, Gallery

CELL = """import os
from pathlib import Path
from bal_course.explorers.be_the_oracle import BeTheOracle

Path("{name}.pid").write_text(str(os.getpid()))
BeTheOracle(folder="{folder}")"""
PATIENCE = 60  # seconds, on a machine that runs other tests beside
NEW_IMAGE = 400  # milliseconds: keys that come sooner are refused, as meant for the image before


def open_oracle(lab: Lab, name: str, folder: str) -> NotebookPage:
    return lab.run_cells(name, CELL.format(name=name, folder=folder))


def lines(lab: Lab, folder: str) -> list[dict]:
    path = Path(lab.folder, folder, "scikit-learn_digits.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()[1:]] if path.exists() else []


def press(oracle: ExplorerOnPage, key: str, expected: str) -> None:
    """Presses a key once the image can have been seen, and waits for the answer."""
    oracle.page.wait_for_timeout(NEW_IMAGE)
    oracle.page.keyboard.press(key)
    oracle.wait_for_status(expected, PATIENCE)


@pytest.fixture
def oracle(gallery: Gallery) -> Iterator[ExplorerOnPage]:
    """The widget without labels, the picture in focus; whatever a test did, nothing may have crashed."""
    explorer = gallery.restart("BeTheOracle", "Click the picture, then press the digit")
    explorer.canvas.focus()
    yield explorer
    gallery.check(explorer)


def test_keys_alone_label_undo_and_leave_out(oracle: ExplorerOnPage, lab: Lab):
    before = oracle.pixels()
    press(oracle, "3", "Your last answer, 3, is written. 1 label in")
    second = oracle.wait_for_change(before, PATIENCE)
    assert lines(lab, LABELS)[-1]["label"] == "3"
    press(oracle, "s", "cannot tell, is written. 1 label in")
    third = oracle.wait_for_change(second, PATIENCE)
    press(oracle, "7", "2 labels in")
    press(oracle, "Backspace", "cannot tell, is written. 1 label in")
    press(oracle, "Backspace", "Your last answer, 3")
    press(oracle, "Backspace", "Click the picture")
    press(oracle, "Backspace", "There is nothing to undo")
    assert before != third and lines(lab, LABELS)[-3:] == [{"undo": True}] * 3


def test_wrong_keys_are_not_taken(oracle: ExplorerOnPage, lab: Lab):
    count = len(lines(lab, LABELS))
    cells = oracle.page.locator(".jp-Cell").count()
    for key in ("x", "a", "b", "d", "d", "Tab"):
        oracle.page.keyboard.press(key)
    oracle.page.wait_for_timeout(500)
    assert len(lines(lab, LABELS)) == count and oracle.status().startswith("Click the picture")
    assert oracle.page.locator(".jp-Cell").count() == cells  # a, b and dd are commands of the notebook


def test_two_quick_keys_are_one_label(oracle: ExplorerOnPage, lab: Lab):
    count = len(lines(lab, LABELS))
    oracle.page.wait_for_timeout(NEW_IMAGE)
    oracle.page.keyboard.press("4")
    oracle.page.keyboard.press("4")
    oracle.wait_for_status("does not count", PATIENCE)
    assert len(lines(lab, LABELS)) == count + 1


def test_boxes_and_buttons_work_by_mouse(oracle: ExplorerOnPage):
    oracle.page.wait_for_timeout(NEW_IMAGE)
    oracle.click_point(8)
    oracle.wait_for_status("Your last answer, 8", PATIENCE)
    oracle.page.wait_for_timeout(NEW_IMAGE)
    oracle.press_button("Cannot tell")
    oracle.wait_for_status("cannot tell, is written", PATIENCE)
    before = oracle.pixels()
    oracle.box.get_by_label("Show what the networks think").check()
    oracle.wait_for_change(before, PATIENCE)
    oracle.press_button("Compare")
    oracle.wait_for_status("of your 1 label", PATIENCE)
    oracle.box.get_by_label("Show what the networks think").uncheck()


def test_a_kernel_that_is_shot_loses_no_label(lab: Lab):
    notebook = open_oracle(lab, "shot", "shot_labels")
    oracle = notebook.explorer()
    oracle.canvas.click(position={"x": 5, "y": 5})
    for count, key in enumerate("314", start=1):
        press(oracle, key, f"Your last answer, {key}, is written. {count} label")
    before = lines(lab, "shot_labels")
    pid = Path(lab.folder, "shot.pid")
    os.kill(int(pid.read_text()), signal.SIGKILL)
    pid.unlink()
    notebook.page.close()
    notebook = lab._run("shot.ipynb", seconds=180)  # JupyterLab has started a new kernel, or starts one now
    oracle = notebook.explorer()
    oracle.wait_for_status("3 labels read from scikit-learn_digits.jsonl; you go on where you stopped", PATIENCE)
    assert lines(lab, "shot_labels") == before and pid.exists()
    oracle.canvas.focus()
    press(oracle, "Backspace", "2 labels")
    press(oracle, "1", "3 labels")
    notebook.page.close()


def test_two_windows_on_one_file(lab: Lab):
    one, two = (open_oracle(lab, name, "shared_labels") for name in ("window_one", "window_two"))
    first, second = one.explorer(), two.explorer()
    first.canvas.focus()
    press(first, "5", "1 label in")
    second.canvas.focus()
    press(second, "6", "another window has changed this file")
    press(second, "6", "2 labels in")
    assert [line["label"] for line in lines(lab, "shared_labels")] == ["5", "6"]
    for notebook in (one, two):
        assert notebook.errors() == []
        notebook.page.close()
