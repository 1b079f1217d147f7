"""Labels that go to another program and come back are the same; what does not fit is refused with its place."""

import json

import pytest

from bal_course.label_exchange import load_csv, load_label_studio, save_csv, save_label_studio
from bal_course.label_store import Answer

ADDRESSES, CLASSES = ("scans/a.png", "scans/b, copy.png", "scans/ü.png"), ("ill", "well")
ANSWERS = [Answer(2, 1, seconds=3.5), Answer(0, 0, seconds=0.0), Answer(1, None, seconds=2.0)]
FORMATS = pytest.mark.parametrize(
    ("save", "load"), [(save_label_studio, load_label_studio), (save_csv, load_csv)], ids=["json", "csv"]
)


@FORMATS
def test_answers_come_back_as_they_went(tmp_path, save, load):
    save(tmp_path / "labels", ANSWERS, ADDRESSES, CLASSES)
    assert load(tmp_path / "labels", ADDRESSES, CLASSES) == ANSWERS


@FORMATS
def test_an_unknown_image_or_class_is_named_with_its_place(tmp_path, save, load):
    save(tmp_path / "labels", ANSWERS, ADDRESSES, CLASSES)
    with pytest.raises(
        ValueError, match=r"labels, (task 1|line 2): expected an image that is known, got 'scans/ü.png'"
    ):
        load(tmp_path / "labels", ADDRESSES[:2], CLASSES)
    with pytest.raises(ValueError, match=r"expected a label out of well, got 'ill'"):
        load(tmp_path / "labels", ADDRESSES, CLASSES[1:])


def test_the_json_is_what_label_studio_exports(tmp_path):
    """A task as in its documentation of the JSON format: the later of two annotations counts, tasks without one wait."""
    choice = {"from_name": "label", "to_name": "image", "type": "choices"}
    first = {"id": 1, "result": [choice | {"value": {"choices": ["ill"]}}], "lead_time": 4.2}
    second = {"id": 2, "result": [choice | {"value": {"choices": ["well"]}}], "lead_time": None, "was_cancelled": False}
    tasks = [
        {"id": 7, "data": {"image": "scans/a.png"}, "annotations": [first, second]},
        {"id": 8, "data": {"image": "scans/ü.png"}, "annotations": []},
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks), encoding="utf-8")
    assert load_label_studio(tmp_path / "export.json", ADDRESSES, CLASSES) == [Answer(0, 1)]
    save_label_studio(tmp_path / "import.json", ANSWERS[:1], ADDRESSES, CLASSES)
    (task,) = json.loads((tmp_path / "import.json").read_text(encoding="utf-8"))
    assert (
        task["data"] == {"image": "scans/ü.png"}
        and task["annotations"][0]["result"][0].keys() == second["result"][0].keys()
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON"),
        ("{}", "expected a list of tasks, got dict"),
        ('[{"data": {}}]', "task 1: expected an image and choices"),
        ('[{"data": {"image": "scans/a.png"}, "annotations": [{"result": [{"type": "choices", "value": {"choices":'
         ' ["ill", "well"]}}]}]}]', "task 1: expected one class"),
    ],
)  # fmt: skip
def test_another_form_is_refused(tmp_path, content, message):
    (tmp_path / "export.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_label_studio(tmp_path / "export.json", ADDRESSES, CLASSES)


def test_a_table_without_its_columns_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("file,kind\na,b\n")
    with pytest.raises(ValueError, match="expected columns image and label, without image, label"):
        load_csv(tmp_path / "labels.csv", ADDRESSES, CLASSES)
    (tmp_path / "labels.csv").write_text("image,label,seconds\nscans/a.png,ill,soon\n")
    with pytest.raises(ValueError, match="line 2: expected seconds as a number, got 'soon'"):
        load_csv(tmp_path / "labels.csv", ADDRESSES, CLASSES)
