"""Labels on disk: written at once, undone, resumed, shared by two windows, and safe from a process that is shot."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bal_course import label_store
from bal_course.label_store import (
    Answer,
    DamagedLabels,
    FileHasChanged,
    LabelStore,
    content_names,
    default_folder,
    open_labels,
)
from bal_utils.data import digits

DATA = {"name": "toy", "num_images": 50, "num_classes": 3}
WRITES = """
import sys
from bal_course.label_store import Answer, LabelStore
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


@pytest.mark.slow
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


@pytest.mark.parametrize("cut", [2, 5, 20])
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
        ('{"image": 50, "label": 1}', "image: expected a whole number, from 0 to 49, got 50"),
        ('{"image": 5, "label": 3}', "label: expected a whole number, from 0 to 2, got 3"),
        ('{"image": "5", "label": 1}', "image: expected a whole number"),
        ('{"image": 5, "label": true}', "label: expected a whole number"),
        ('{"image": 5, "label": 1, "seconds": "long"}', "seconds: expected a finite number"),
        ('{"image": 5, "label": 1, "seconds": 1e999}', "seconds: expected a finite number"),
        ('{"image": 5, "label": 1, "accuracy": NaN}', "accuracy: expected a finite number"),
        ('{"image": 5, "label": 1, "accuracy": 7}', "accuracy: expected"),
        pytest.param('{"image": 5, "label": 1, "seconds": %s}' % ("9" * 400), "line 2, cannot", id="400 digits"),
        pytest.param("[" * 100_000, "line 2, cannot be read", id="brackets"),
        ('{"picture": 5}', "expected image and label, got ['picture']"),
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
    with pytest.raises(ValueError, match="label: .* got 7"):
        store.add(Answer(1, 7))
    assert not path.exists()


def test_whole_numbers_of_numpy_are_whole_numbers(path):
    LabelStore(path, **DATA).add(Answer(np.int64(4), np.uint8(2), np.float32(0.5), np.int32(3)))
    assert LabelStore(path, **DATA).answers == (Answer(4, 2, 0.5, 3.0),)


EDITS = {
    "the last end of line lost": lambda content: content[:-1],
    "an empty last line": lambda content: content + b"\n",
    "spaces at the end": lambda content: content + b"  ",
    "an empty line in the middle": lambda content: content.replace(b"\n", b"\n\n", 2),
    "the ends of lines of Windows": lambda content: content.replace(b"\n", b"\r\n"),
    "these, and the last one lost": lambda content: content.replace(b"\n", b"\r\n")[:-2],
    "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_what_an_editor_leaves_behind_is_whole_and_usable(path, edit):
    store = LabelStore(path, **DATA)
    for image in range(3):
        store.add(Answer(image, 1))
    edited = edit(path.read_bytes())
    path.write_bytes(edited)
    store = LabelStore(path, **DATA)
    assert labels(store) == [(0, 1), (1, 1), (2, 1)] and not store.torn
    store.add(Answer(9, 2))
    store.undo()
    store.add(Answer(8, 0))
    assert path.read_bytes().startswith(edited.rstrip(b" "))  # nothing is overwritten
    assert labels(LabelStore(path, **DATA)) == labels(store) == [(0, 1), (1, 1), (2, 1), (8, 0)]


def test_a_file_of_empty_lines_still_gets_its_first_line(path):
    path.parent.mkdir()
    path.write_text("\n\n")
    LabelStore(path, **DATA).add(Answer(4, 0))
    assert labels(LabelStore(path, **DATA)) == [(4, 0)]


def test_a_folder_in_the_place_of_the_file_is_a_sentence(path):
    path.mkdir(parents=True)
    with pytest.raises(DamagedLabels, match=r"labels\.jsonl cannot be read"):
        LabelStore(path, **DATA)


PIXELS = torch.arange(10 * 16).reshape(10, 1, 4, 4).to(torch.uint8)  # ten images, all different
CLASSES = ("cat", "dog")


def opened(folder, images=PIXELS, classes=CLASSES, name="images"):
    return open_labels(folder, name=name, images=images, class_names=classes)


def pictures(store, images, classes):
    """The labels as a person means them: pixels and word."""
    return {
        images[answer.image].numpy().tobytes(): None if answer.label is None else classes[answer.label]
        for answer in store.answers
    }


def labelled(folder, *given, **data):
    store, _ = opened(folder, **data)
    for image, label in given:
        store.add(Answer(image, label, 0.5, 1.0))
    return store


THREE = ((0, 0), (5, 1), (7, None))
MEANT = {PIXELS[0].numpy().tobytes(): "cat", PIXELS[5].numpy().tobytes(): "dog", PIXELS[7].numpy().tobytes(): None}


def test_a_line_names_the_image_by_its_content_and_the_class_by_its_name(tmp_path):
    store = labelled(tmp_path, *THREE)
    header, first, *_ = map(json.loads, store.path.read_text().splitlines())
    assert header["labels_of"] == "images" and header["classes"] == ["cat", "dog"] and header["images"] == 10
    assert first["label"] == "cat" and first["image"] == content_names(PIXELS[:1])[0]
    assert pictures(opened(tmp_path)[0], PIXELS, CLASSES) == MEANT


@pytest.mark.parametrize(
    ("order", "classes"),
    [
        ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], CLASSES),
        ([3, 0, 5, 7, 1], CLASSES),
        (range(10), ("dog", "cat")),
        (range(10), ("bird", "cat", "dog")),
    ],
    ids=["in another order", "another split", "classes in another order", "one class more"],
)
def test_labels_follow_their_pictures_and_classes(tmp_path, order, classes):
    before = labelled(tmp_path, *THREE)
    images = PIXELS[list(order)]
    store, kept = opened(tmp_path, images=images, classes=classes)
    assert store.path == before.path and pictures(store, images, classes) == MEANT and kept == ""
    store.undo()
    store.add(Answer(1, 0))
    assert opened(tmp_path, images=images, classes=classes)[0].answers == store.answers


def test_labels_are_found_when_the_folder_of_the_images_has_another_name(tmp_path):
    before = labelled(tmp_path, *THREE)
    store, _ = opened(tmp_path, name="photographs")
    assert store.path == before.path and pictures(store, PIXELS, CLASSES) == MEANT


def test_what_does_not_fit_is_kept_not_used_and_said(tmp_path):
    before = labelled(tmp_path, *THREE, (3, 0))
    images, classes = PIXELS[1:], ("zebra", "dog")  # one picture gone, one class renamed
    store, kept = opened(tmp_path, images=images, classes=classes)
    assert pictures(store, images, classes) == {PIXELS[5].numpy().tobytes(): "dog", PIXELS[7].numpy().tobytes(): None}
    assert kept.startswith("2 more labels are kept") and before.path.name in kept and "not used" in kept
    with pytest.raises(ValueError, match="nothing is undone"):  # (3, cat) is not theirs to take back
        store.undo()
    store.add(Answer(2, 0))  # the third picture anew
    assert store.unused == 1
    store.undo()
    assert not store.can_undo
    assert pictures(opened(tmp_path)[0], PIXELS, CLASSES) == MEANT | {PIXELS[3].numpy().tobytes(): "cat"}


def test_two_projects_of_one_name_keep_their_labels_apart(tmp_path):
    others = PIXELS + 1
    one, (two, _) = labelled(tmp_path, *THREE), opened(tmp_path, images=others)
    assert two.answers == () and two.path != one.path
    two.add(Answer(0, 1))
    two.undo()
    two.add(Answer(2, 1))
    two.clear()
    store, kept = opened(tmp_path)
    assert pictures(store, PIXELS, CLASSES) == MEANT and kept == ""
    assert "3 more labels are kept" in opened(tmp_path, images=others)[1]


def test_two_tasks_on_the_same_pictures_keep_their_labels_apart(tmp_path):
    labelled(tmp_path, *THREE)
    task = ("indoors", "outdoors")
    store, kept = opened(tmp_path, classes=task)
    assert store.answers == () and "3 more labels" in kept
    store.add(Answer(0, 1))
    assert pictures(opened(tmp_path)[0], PIXELS, CLASSES) == MEANT
    assert pictures(opened(tmp_path, classes=task)[0], PIXELS, task) == {PIXELS[0].numpy().tobytes(): "outdoors"}


def test_what_was_cleared_can_be_brought_back_when_the_data_have_grown(tmp_path):
    labelled(tmp_path, *THREE).clear()
    store, _ = opened(tmp_path, images=torch.cat([PIXELS + 1, PIXELS]))
    assert store.answers == ()
    store.undo()
    assert len(store.answers) == 3


def test_class_folders_whose_names_are_no_text_keep_their_labels(tmp_path):
    classes = ("caf\udce9", "\ud800", "größe")
    labelled(tmp_path, (0, 0), (5, 1), (7, 2), classes=classes)
    assert labels(opened(tmp_path, classes=classes)[0]) == [(0, 0), (5, 1), (7, 2)]


def test_equal_pictures_are_told_apart_and_other_types_of_pixels_are_others():
    names = content_names(PIXELS[[4, 4, 5, 4]])
    assert len(set(names)) == 4 and names[0] == content_names(PIXELS)[4]
    assert not set(content_names(PIXELS.float())) & set(content_names(PIXELS))
    assert not set(content_names(PIXELS.reshape(10, 1, 2, 8))) & set(content_names(PIXELS))


def numbered(folder, name, count, file):
    """A file as earlier versions wrote it."""
    folder.mkdir(exist_ok=True)
    lines = [{"labels_of": name, "images": count}] + [{"image": image, "label": 1} for image in (3, 4)]
    (folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("classes", [tuple("0123456789"), ("nought", *"123456789")])
def test_numbered_labels_of_the_digits_are_read_and_gone_on_with(tmp_path, classes):
    images = digits().train_images
    numbered(tmp_path, "scikit-learn digits", len(images), "scikit-learn_digits.jsonl")
    store, kept = opened(tmp_path, images=images, classes=classes, name="scikit-learn digits")
    assert labels(store) == [(3, 1), (4, 1)] and kept == ""
    store.add(Answer(8, 0))
    assert labels(opened(tmp_path, images=images, classes=classes, name="scikit-learn digits")[0]) == labels(store)


def test_numbered_labels_of_data_that_may_have_changed_are_kept_not_used_and_said(tmp_path):
    numbered(tmp_path, "images", len(PIXELS), "images.jsonl")
    content = (tmp_path / "images.jsonl").read_bytes()
    store, kept = opened(tmp_path)
    assert store.answers == () and "2 more labels are kept in images.jsonl" in kept
    store.add(Answer(0, 1))
    assert (tmp_path / "images.jsonl").read_bytes() == content
    shuffled = digits().train_images.flip(0)  # the name and the number of the digits, in another order
    numbered(tmp_path, "scikit-learn digits", len(shuffled), "scikit-learn_digits.jsonl")
    store, kept = opened(tmp_path, images=shuffled, classes=tuple("0123456789"), name="scikit-learn digits")
    assert store.answers == () and "2 more labels" in kept and store.path.name != "scikit-learn_digits.jsonl"


@pytest.mark.parametrize(
    "name", ["../outside/x", "/etc/passwd", "..", ".", "", "a/b", "C:\\x", "~", "x" * 400, "größe 2"]
)
def test_no_name_of_data_leads_out_of_the_folder(tmp_path, name):
    store = labelled(tmp_path / "labels", (0, 1), name=name)
    assert store.path.resolve().parent == (tmp_path / "labels").resolve()
    assert pictures(opened(tmp_path / "labels", name=name)[0], PIXELS, CLASSES) == {PIXELS[0].numpy().tobytes(): "dog"}


def test_a_damaged_file_that_may_be_theirs_is_named_and_others_are_let_be(tmp_path):
    (tmp_path / "notes.jsonl").write_text("no labels\n")
    (tmp_path / "folder.jsonl").mkdir()
    store = labelled(tmp_path, *THREE)
    with store.path.open("a") as file:
        file.write("hello\n")
    store.path.rename(tmp_path / "renamed.jsonl")
    with pytest.raises(DamagedLabels, match=r"renamed.jsonl, line 5"):
        opened(tmp_path)
    assert opened(tmp_path, name="others", images=PIXELS + 1)[0].answers == ()


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """The old and the new place of labels, as if on a person's machine."""
    monkeypatch.delenv("BAL_LABELS")
    monkeypatch.setattr(label_store, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(label_store, "data_home", lambda: tmp_path / "data" / "course")
    return tmp_path / "cache" / "labels", tmp_path / "data" / "course" / "labels"


def test_labels_lie_in_the_folder_for_data_or_where_the_variable_says(homes, monkeypatch, tmp_path):
    assert default_folder() == homes[1] and not homes[1].parent.exists()
    monkeypatch.setenv("BAL_LABELS", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"


def test_labels_in_the_folder_for_caches_are_found_again(homes):
    old, new = homes
    old.parent.mkdir()
    numbered(old, "images", 10, "images.jsonl")
    content = (old / "images.jsonl").read_bytes()
    assert default_folder() == new and (new / "images.jsonl").read_bytes() == content
    assert (old / "images.jsonl").read_bytes() == content  # a copy: nothing is lost
    (new / "images.jsonl").unlink()
    assert default_folder() == new and list(new.iterdir()) == []  # what was deleted does not come back
    assert [path.name for path in new.parent.iterdir()] == ["labels"]


def test_labels_that_cannot_be_copied_stay_where_they_are(homes, monkeypatch):
    old, _ = homes
    old.parent.mkdir()
    numbered(old, "images", 10, "images.jsonl")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(label_store.shutil, "copytree", full)
    assert default_folder() == old


def test_the_data_that_are_the_same_everywhere():
    assert label_store._digest(content_names(digits().train_images)) in label_store.FIXED
    assert label_store._digest(content_names(digits().train_images.flip(0))) not in label_store.FIXED


def test_tests_never_meet_a_persons_labels():
    assert default_folder() == Path(os.environ["BAL_LABELS"]) and not default_folder().exists()
