"""Labels on disk: written at once, undone, resumed, shared by two windows, and safe from a process that is shot."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bal_utils import label_store
from bal_utils.label_store import Answer, DamagedLabels, FileHasChanged, LabelStore, default_folder

DATA = {"name": "toy", "num_images": 50, "num_classes": 3}
WRITES = """
import sys
from bal_utils.label_store import Answer, LabelStore
store = LabelStore(sys.argv[1], name="toy", num_images=50, num_classes=3)
for image in range(len(store.answers), 50):
    store.add(Answer(image, image % 3, 0.5, 1.0))
    print(image, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "labels.jsonl"


def labels(store):
    return [(answer.image, answer.label) for answer in store.answers]


def test_nothing_is_created_before_the_first_label(path):
    store = LabelStore(path, **DATA)
    assert store.answers == () and not store.can_undo and not path.parent.exists()
    store.clear()
    with pytest.raises(ValueError, match="nothing to undo"):
        store.undo()
    assert not path.parent.exists()


def test_each_label_is_a_line_on_disk_when_add_returns(path):
    store = LabelStore(path, **DATA)
    for count, label in enumerate((2, None, 0), start=1):
        store.add(Answer(count, label, 0.5, 1.5))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines[0] == {"labels_of": "toy", "images": 50} and len(lines) == 1 + count
        assert lines[-1] == {"image": count, "label": label, "accuracy": 0.5, "seconds": 1.5}
    assert LabelStore(path, **DATA).answers == store.answers


def test_undo_reaches_back_through_resumes_and_fresh_starts(path):
    store = LabelStore(path, **DATA)
    for image in (1, 2):
        store.add(Answer(image, 0))
    store.clear()
    store.add(Answer(3, 1))
    assert labels(store) == [(3, 1)]
    store = LabelStore(path, **DATA)
    wanted = [[], [(1, 0), (2, 0)], [(1, 0)], []]
    for expected in wanted:
        store.undo()
        assert labels(store) == labels(LabelStore(path, **DATA)) == expected
    assert not store.can_undo
    assert len(path.read_text().splitlines()) == 1 + 2 + 1 + 1 + 4  # nothing was ever overwritten


def test_a_later_answer_to_the_same_image_counts(path):
    store = LabelStore(path, **DATA)
    store.add(Answer(1, 0))
    store.add(Answer(1, 2))
    assert labels(store) == [(1, 2)]
    store.undo()
    assert labels(store) == [(1, 0)]


def test_a_process_shot_in_the_middle_leaves_all_it_had_confirmed(path):
    """A real process, killed by SIGKILL, which nothing can catch; a second one goes on where it stopped."""
    confirmed = []
    for _ in range(2):
        command = [sys.executable, "-c", WRITES, str(path)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4):
            confirmed.append(int(child.stdout.readline()))
            child.stdin.write("\n")
            child.stdin.flush()
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        kept = [image for image, _ in labels(LabelStore(path, **DATA))]
        assert kept[: len(confirmed)] == confirmed and len(kept) <= len(confirmed) + 1  # one may have been under way
        confirmed = kept
    assert confirmed == list(range(len(confirmed)))


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_torn_by_a_crash_is_left_out_and_then_overwritten(path, cut):
    store = LabelStore(path, **DATA)
    for image in range(3):
        store.add(Answer(image, 1))
    path.write_bytes(path.read_bytes()[:-cut])
    store = LabelStore(path, **DATA)
    assert store.torn and labels(store) == [(0, 1), (1, 1)]
    store.add(Answer(9, 2))
    assert not store.torn
    assert labels(LabelStore(path, **DATA)) == [(0, 1), (1, 1), (9, 2)]


def test_a_torn_first_line_is_no_header(path):
    path.parent.mkdir()
    path.write_text('{"labels_of": "to')
    store = LabelStore(path, **DATA)
    store.add(Answer(4, 0))
    assert labels(LabelStore(path, **DATA)) == [(4, 0)]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("hello", "line 2, cannot be read"),
        ("[1]", "expected {...}"),
        ('{"image": 50, "label": 1}', "image: expected a whole number from 0 to 49, got 50"),
        ('{"image": 5, "label": 3}', "label: expected a whole number from 0 to 2, got 3"),
        ('{"image": 5, "label": true}', "label: expected a whole number"),
        ('{"image": 5, "label": 1, "seconds": "long"}', "seconds: expected a number"),
        ('{"picture": 5}', "expected image and label, got 'picture'"),
        ('{"undo": true}', "line 2, cannot be read"),
        ("\udce9", "line 2, cannot be read"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_changed(path, line, told):
    LabelStore(path, **DATA).add(Answer(1, 1))
    lines = path.read_bytes().splitlines()
    content = b"\n".join([lines[0], line.encode(errors="surrogateescape"), lines[1]]) + b"\n"
    path.write_bytes(content)
    with pytest.raises(DamagedLabels, match="labels.jsonl, line 2") as caught:
        LabelStore(path, **DATA)
    assert told in str(caught.value) and "Nothing has been changed" in str(caught.value)
    assert path.read_bytes() == content


def test_labels_of_other_data_are_refused(path):
    LabelStore(path, **DATA).add(Answer(1, 1))
    with pytest.raises(DamagedLabels, match=r"expected labels of cats \(50 images\), got 'toy'"):
        LabelStore(path, **DATA | {"name": "cats"})


def test_the_second_of_two_windows_is_told_and_loses_nothing(path):
    one, two = LabelStore(path, **DATA), LabelStore(path, **DATA)
    one.add(Answer(1, 1))
    for change in (lambda: two.add(Answer(1, 2)), two.clear, two.undo):
        if two.answers != one.answers:
            with pytest.raises(FileHasChanged, match="another window has changed"):
                two.add(Answer(1, 2))
            assert two.answers == one.answers
        change()
        with pytest.raises(FileHasChanged):
            one.add(Answer(3, 0))
        assert labels(one) == labels(two) == labels(LabelStore(path, **DATA))


def test_a_line_written_at_the_very_same_moment_is_noticed_later(path):
    one, two = LabelStore(path, **DATA), LabelStore(path, **DATA)
    one.add(Answer(1, 1))
    two.refresh()
    two.refresh = lambda: False  # both look before either writes
    one.add(Answer(2, 2))
    two.add(Answer(3, 0))
    del two.refresh
    assert two.refresh() and labels(two) == [(1, 1), (2, 2), (3, 0)]
    assert one.refresh() and labels(one) == labels(two)


def test_a_file_that_vanishes_is_noticed(path):
    store = LabelStore(path, **DATA)
    store.add(Answer(1, 1))
    path.unlink()
    with pytest.raises(FileHasChanged):
        store.add(Answer(2, 1))
    assert store.answers == ()


def test_answers_that_do_not_exist_are_not_written(path):
    store = LabelStore(path, **DATA)
    with pytest.raises(ValueError, match="label: expected a whole number from 0 to 2, got 7"):
        store.add(Answer(1, 7))
    assert not path.exists()


def test_tests_never_meet_a_persons_labels(monkeypatch, tmp_path):
    monkeypatch.setenv("BAL_CACHE_DIR", str(tmp_path))
    assert default_folder() != default_folder() and list(default_folder().iterdir()) == []
    monkeypatch.delenv("PYTEST_VERSION")
    assert default_folder() == label_store.default_folder() == Path(tmp_path) / "labels"
