"""The labelling widget: keys answer, every answer is on disk first, undo reaches the start, and nothing is lost."""

import json

import numpy as np
import pytest
import torch

from bal_course.explorers import be_the_oracle
from bal_course.explorers.be_the_oracle import (
    CANNOT_TELL,
    TOO_SOON,
    BeTheOracle,
    OracleState,
    digit_keys,
    first_labels,
    next_round,
    random_curves,
)
from bal_course.own_data import OwnData
from bal_scenes.base import Event
from bal_scenes.canvas import packed
from bal_utils.data import ImageData
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig


def bars_data(count):
    """Three classes of 4x4 images: a bright row at the top, in the middle, or a bright column."""
    labels = torch.arange(count) % 3
    images = torch.randint(60, (count, 1, 4, 4), generator=stream(0, "pixels"), dtype=torch.uint8)
    for image, label in zip(images, labels, strict=True):
        part = (image[0, 0], image[0, 2], image[0, :, 3])[label]
        part += 180
    return ImageData(name="bars", train_images=images, train_labels=labels, test_images=images, test_labels=labels)


SMALL = bars_data(9)
QUICK = FitConfig(learning_rate=3e-3, epoch_samples=128, max_epochs=2)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Every look at the clock finds it two seconds later: nobody is ever too quick."""
    times = iter(range(0, 10**6, 2))
    monkeypatch.setattr(BeTheOracle, "clock", staticmethod(lambda: float(next(times))))


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Two short epochs, where a test is not about what is learnt."""
    if request.node.name != "test_more_labels_are_worth_more":
        monkeypatch.setattr(be_the_oracle, "TRAINING", QUICK)


@pytest.fixture
def oracle(tmp_path):
    found = BeTheOracle(SMALL, tmp_path)
    assert found.error is None
    return found


def press(oracle, *keys):
    for key in keys:
        oracle.dispatch(Event(kind="key", panel=0, x=0.0, y=0.0, key=key))


def on_disk(oracle):
    return [json.loads(line) for line in oracle.store.path.read_text().splitlines()[1:]]


def test_a_digit_answers_and_the_next_image_is_another(oracle):
    first = oracle._round(oracle.state).image
    press(oracle, "2")
    assert [(a["image"], a["label"]) for a in on_disk(oracle)] == [(oracle.store.image_names[first], "2")]
    assert oracle._round(oracle.state).image != first
    assert oracle.status.startswith(f"Your last answer, 2, is written. 1 label in {oracle.store.path.name}")


def test_the_label_is_on_disk_before_the_next_image_is_computed(oracle, monkeypatch):
    seen = []
    compute = oracle.compute
    monkeypatch.setattr(oracle, "compute", lambda state: seen.append(len(on_disk(oracle))) or compute(state))
    press(oracle, "0", "1")
    assert seen == [1, 2]


def test_bald_asks_the_question(oracle):
    """The image of the highest score, recomputed here from the model."""
    from bal_utils.acquisition import bald_scores
    from bal_utils.data import standardise
    from bal_utils.posteriors.mc_dropout import sample_log_probs

    start = first_labels(SMALL)
    model = be_the_oracle._train_on(SMALL, start, SMALL.train_labels[start], 0)
    pool = [image for image in range(9) if image not in start]
    masks = stream(0, "oracle's masks", 0)
    scores = bald_scores(sample_log_probs(model, standardise(SMALL.train_images[pool]), 20, generator=masks))
    assert oracle._round(oracle.state).image == pool[int(scores.argmax())]


def test_what_cannot_be_told_is_not_asked_again_and_teaches_nothing(oracle):
    press(oracle, CANNOT_TELL)
    oracle.press("skip")
    answers = oracle.state.answers
    assert [answer[1] for answer in answers] == [None, None] and answers[0][0] != answers[1][0]
    assert "0 labels" in oracle.status and "cannot tell" in oracle.status
    assert oracle._told(oracle.state) == []


@pytest.mark.parametrize("key", ["3", "9", "x", "Enter", "٣", ""])
def test_wrong_keys_change_nothing_and_get_a_sentence(oracle, key):
    press(oracle, key)
    assert "Press one of the digits 0, 1, 2" in oracle.status
    assert oracle.state.answers == () and not oracle.store.path.exists()


def test_a_click_on_a_box_answers(oracle):
    oracle.dispatch(Event(kind="click", panel=0, x=0.0, y=0.0, point=1))
    oracle.dispatch(Event(kind="click", panel=0, x=0.0, y=0.0, point=None))
    assert [answer[1] for answer in oracle.state.answers] == [1]


def test_a_click_on_the_image_is_no_answer_and_no_cross(oracle):
    ask = oracle.scene["panels"][0]
    (image,) = (layer for layer in ask["layers"] if layer["kind"] == "images")
    oracle.dispatch(Event(kind="click", panel=0, x=0.0, y=0.0, point=image["ids"][0]))
    assert oracle.state.answers == () and oracle.error is None
    assert not ask["click_anywhere"]  # the keys' cursor is a frame around the image


def test_keys_of_ten_digits_are_large_enough_for_a_finger(tmp_path):
    ask = BeTheOracle(folder=tmp_path).scene["panels"][0]
    (keys,) = (layer for layer in ask["layers"] if layer["kind"] == "rects")
    _, _, width, height = ask["box"]
    left, above, right, below = ask["margins"]
    unit = min((width * 940 - left - right) / 10, (height * 500 - above - below) / (ask["y"][1] - ask["y"][0]))
    assert len(keys["x0"]) == 10
    assert ((keys["x1"] - keys["x0"]) * unit >= 44).all() and ((keys["y1"] - keys["y0"]) * unit >= 43.5).all()


def test_images_without_a_label_leave_no_spike(oracle):
    press(oracle, "0", CANNOT_TELL, CANNOT_TELL, "1")
    (curve,) = (layer for layer in oracle.scene["panels"][1]["layers"] if layer["kind"] == "line")
    assert curve["x"][:-1].tolist() == [0, 1, 2]
    accuracies = [answer[2] for answer in oracle.state.answers]
    np.testing.assert_allclose(curve["y"][:2], [accuracies[0], accuracies[3]], atol=1e-6)


def test_a_key_that_comes_before_the_new_image_does_not_count(oracle):
    press(oracle, "1")
    oracle.clock = lambda: oracle._since + TOO_SOON / 2
    press(oracle, "1")
    assert "does not count" in oracle.status and len(oracle.state.answers) == 1
    oracle.clock = lambda: oracle._since + TOO_SOON * 2
    press(oracle, "1")
    assert len(oracle.state.answers) == 2


def test_undo_goes_back_to_the_start_and_to_the_same_questions(oracle):
    questions = [oracle._round(oracle.state).image]
    for key in "012s":
        press(oracle, key)
        questions.append(oracle._round(oracle.state).image)
    oracle.undo()
    press(oracle, "Backspace", "Backspace")
    assert oracle._round(oracle.state).image == questions[1]
    press(oracle, "Backspace")
    assert oracle.state == OracleState() and oracle._round(oracle.state).image == questions[0]
    press(oracle, "Backspace")
    assert oracle.status == "There is nothing to undo."
    assert oracle.store.answers == ()


def test_a_new_kernel_goes_on_where_the_old_one_stopped(oracle, tmp_path):
    press(oracle, "0", "s", "2")
    later = BeTheOracle(SMALL, tmp_path)
    assert later.state.answers == oracle.state.answers
    assert f"2 labels read from {later.store.path.name}; you go on where you stopped" in later.status
    assert packed(later.scene["panels"]) == packed(oracle.scene["panels"])
    later.undo()
    assert len(later.state.answers) == 2  # answers of the dead kernel can be taken back too


def test_reset_starts_again_and_can_be_undone(oracle, tmp_path):
    press(oracle, "0", "1")
    oracle.reset()
    assert oracle.state.answers == () and BeTheOracle(SMALL, tmp_path).state.answers == ()
    oracle.undo()
    assert len(oracle.state.answers) == 2
    assert BeTheOracle(SMALL, tmp_path).state.answers == oracle.state.answers


def test_two_windows_on_one_file(oracle, tmp_path):
    other = BeTheOracle(SMALL, tmp_path)
    press(oracle, "0")
    press(other, "1")
    assert "another window has changed this file" in other.status and "not taken" in other.status
    assert other.state.answers == oracle.state.answers
    press(other, "1")
    assert len(other.state.answers) == 2
    oracle.undo()
    assert "another window" in oracle.status and oracle.state.answers == other.state.answers


def test_a_damaged_file_is_a_sentence_and_stays_as_it_is(oracle, tmp_path):
    press(oracle, "0")
    with oracle.store.path.open("a") as file:
        file.write("what is this\n")
    content = oracle.store.path.read_bytes()
    press(oracle, "1")
    assert "line 3, cannot be read" in oracle.status
    later = BeTheOracle(SMALL, tmp_path)
    for act in (lambda: None, lambda: press(later, "1"), later.undo, later.reset, lambda: later.press("skip")):
        act()
        assert "line 3, cannot be read" in later.status and "Nothing has been changed" in later.status
    assert oracle.store.path.read_bytes() == content
    assert later.widget is not None  # it shows, with the sentence under it


def test_a_torn_last_line_is_reported(oracle, tmp_path):
    press(oracle, "0", "1")
    oracle.store.path.write_bytes(oracle.store.path.read_bytes()[:-4])
    later = BeTheOracle(SMALL, tmp_path)
    assert len(later.state.answers) == 1 and "last line had no end" in later.status
    press(later, "2")
    assert len(BeTheOracle(SMALL, tmp_path).state.answers) == 2


def test_a_label_that_cannot_be_written_does_not_count(oracle, monkeypatch):
    def refuse(answer):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(oracle.store, "add", refuse)
    press(oracle, "1")
    assert "could not be written (No space left on device)" in oracle.status and oracle.state.answers == ()


def test_the_whole_pool_can_be_labelled(oracle):
    press(oracle, *"012012")
    assert len(oracle.state.answers) == 6 and oracle._round(oracle.state).image is None
    assert "Nothing is left to ask" in oracle.status
    press(oracle, "1")
    oracle.set(committee=True)
    assert len(oracle.state.answers) == 6 and oracle.error is None
    oracle.press("compare")
    assert oracle.state.compared and oracle.error is None
    oracle.undo()
    assert oracle._round(oracle.state).image is not None


def test_compare_counts_agreement_and_names_what_differs(oracle):
    oracle.press("compare")
    assert "Label some images first" in oracle.status
    truths = []
    for wrong in (False, False, True):
        truth = int(SMALL.train_labels[oracle._round(oracle.state).image])
        press(oracle, str((truth + wrong) % 3))
        truths.append(truth)
    oracle.press("compare")
    assert oracle.status.startswith("2 of your 3 labels are the data set's") and "random images give" in oracle.status
    (differing,) = oracle._differing(oracle.state)
    assert differing.label == (truths[2] + 1) % 3
    press(oracle, "0")
    assert not oracle.state.compared  # a new label wants a new comparison


@pytest.mark.slow
def test_more_labels_are_worth_more():
    """The lesson in numbers: with true labels the curve rises, for BALD and for random."""
    data, given = oracle_digits(), ()
    for _ in range(25):
        image = next_round(data, given).image
        given = (*given, (image, int(data.train_labels[image])))
    counts, random = random_curves(data, 25)
    assert next_round(data, given).accuracy > next_round(data, ()).accuracy + 0.05
    assert counts[0] == 0 and counts[-1] == 25 and random[:, -1].min() > random[:, 0].max()


def oracle_digits():
    from bal_utils.data import load_images

    return load_images("digits")


def test_the_scene_depends_on_the_state_alone(oracle, tmp_path):
    press(oracle, "0", "1")
    state = oracle.state
    again = BeTheOracle(SMALL, tmp_path / "elsewhere")
    assert packed(oracle.compute(state)["panels"]) == packed(again.compute(state)["panels"])
    before = packed(oracle.scene)
    oracle.compute(OracleState())
    assert packed(oracle.compute(state)) == before


def test_pasted_scenes_do_not_bring_labels(oracle, tmp_path):
    press(oracle, "0")
    text = oracle.state_as_text()
    oracle.restore(text)
    other = BeTheOracle(SMALL, tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="not from a pasted scene"):
        other.restore(text)
    assert not other.store.path.exists()


def test_named_classes_and_their_limit(tmp_path):
    oracle = BeTheOracle(SMALL, tmp_path, names=("row", "middle", "column"))
    press(oracle, "1")
    assert "Your last answer, middle, is written" in oracle.status
    (beside,) = [layer["words"] for layer in oracle.scene["panels"][0]["layers"] if layer["kind"] == "text"]
    assert beside == ["0  row", "1  middle", "2  column"]  # which key means what
    many = ImageData(name="many", train_images=SMALL.train_images, train_labels=torch.arange(9) + 3,
                     test_images=SMALL.test_images, test_labels=SMALL.test_labels)  # fmt: skip
    with pytest.raises(ValueError, match="expected at most 10 classes, a digit key each, got 12"):
        BeTheOracle(many, tmp_path)


def own_data(class_names, name="images", pixels=0):
    """The three kinds of bars, with names of their classes."""
    images, labels = SMALL.train_images + pixels, SMALL.train_labels
    return OwnData(name=name, train_images=images, train_labels=labels, test_images=images, test_labels=labels,
                   class_names=class_names)  # fmt: skip


def test_data_bring_their_class_names_and_labels_are_kept_by_them(tmp_path):
    data = own_data(("row", "middle", "column"))
    oracle = BeTheOracle(data, tmp_path)
    assert oracle.names == data.class_names
    press(oracle, "1", "0", "s")
    assert [line["label"] for line in on_disk(oracle)] == ["middle", "row", None]
    renamed = BeTheOracle(own_data(("line", "middle", "column")), tmp_path)
    assert [renamed._name(answer[1]) for answer in renamed.state.answers] == ["middle", "?"]
    assert "1 label read from" in renamed.status and "1 more label is kept" in renamed.status
    again = BeTheOracle(data, tmp_path)
    assert again.state.answers == oracle.state.answers and again.kept == ""


def test_a_project_of_the_same_name_starts_without_labels_and_says_whose_there_are(tmp_path):
    press(BeTheOracle(own_data(("a", "b", "c")), tmp_path), "0", "1")
    other = BeTheOracle(own_data(("a", "b", "c"), pixels=1), tmp_path)
    assert other.state.answers == () and other.error is None
    assert other.status.startswith("Click the picture") and "2 more labels are kept" in other.status
    other.undo()
    other.reset()
    press(other, "Backspace")
    assert len(BeTheOracle(own_data(("a", "b", "c")), tmp_path).state.answers) == 2


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c", "d"), ("a", "b", "a"), (), "ab"])
def test_names_of_another_number_of_classes_are_refused_at_once(tmp_path, names):
    with pytest.raises(ValueError, match="names: expected 3"):
        BeTheOracle(SMALL, tmp_path, names=names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        ("0123456789", "0123456789"),
        (("cat", "dog", "horse"), "012"),
        (("1", "2", "3"), "123"),
        (("1", "10", "2", "3", "4", "5", "6", "7", "8", "9"), "1023456789"),
        (("01", "02", "03"), "123"),
        (("7", "cat", "0"), "710"),
        (("7", "07", "cat"), "012"),  # which of the two would be 7?
        (("10", "20", "30"), "012"),
        (("-1", "²", "٣"), "012"),
        (("000", "1"), "01"),
        (("9" * 5000, "5"), "05"),
    ],
)
def test_a_class_whose_name_is_a_digit_has_that_key(names, keys):
    assert "".join(digit_keys(tuple(names))) == keys


def test_keys_that_match_the_names_answer_by_them(tmp_path):
    oracle = BeTheOracle(own_data(("1", "2", "10")), tmp_path)
    press(oracle, "0", "2", "1", "3")
    assert [line["label"] for line in on_disk(oracle)] == ["10", "2", "1"] and "digits 0, 1, 2" in oracle.status
    (beside,) = [layer["words"] for layer in oracle.scene["panels"][0]["layers"] if layer["kind"] == "text"]
    assert beside == ["1  1", "2  2", "0  10"]
    plain = BeTheOracle(own_data(("1", "2", "3")), tmp_path / "plain")
    (below,) = [layer["words"] for layer in plain.scene["panels"][0]["layers"] if layer["kind"] == "text"]
    assert below == ["1", "2", "3"]


def test_ink_runs_from_white_to_black():
    small = be_the_oracle._ink(SMALL, [0, 1], side=16)
    assert small.shape == (2, 16, 16) and small.min() >= 0 and small.max() <= 1
    np.testing.assert_allclose(be_the_oracle._ink(SMALL, [0])[0], SMALL.train_images[0, 0] / 255, atol=1e-6)
