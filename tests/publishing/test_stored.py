"""What is stored of a run: pictures and pages instead of widgets, no progress bars, answers folded."""

import json

from publishing.stored import WIDGET, stored


def code(*outputs, tags=()):
    return {"cell_type": "code", "source": [], "metadata": {"tags": list(tags)}, "outputs": list(outputs)}


def shown(**data):
    return {
        "output_type": "display_data",
        "metadata": {},
        "data": {kind.replace("_", "/"): it for kind, it in data.items()},
    }


def with_widget(output):
    output["data"][WIDGET] = {"model_id": "1"}
    return output


def test_what_stands_beside_a_widget_is_stored_and_the_widget_is_not():
    explorer = with_widget(shown(image_png="iVBOR", text_plain="Star explorer (runs in a live notebook)"))
    prediction = with_widget(shown(text_html="<details>", text_plain="Predict."))
    cells = stored({"cells": [code(explorer), code(prediction)]})["cells"]
    assert [set(cell["outputs"][0]["data"]) for cell in cells] == [
        {"image/png", "text/plain"},
        {"text/html", "text/plain"},
    ]


def test_a_progress_bar_goes_and_what_is_printed_after_it_stays():
    printed = {"output_type": "stream", "name": "stdout", "text": ["8 labels\n"]}
    (cell,) = stored({"cells": [code(with_widget(shown(text_plain="67%|######6   | 20/30")), printed)]})["cells"]
    assert cell["outputs"] == [printed]


def test_what_was_printed_in_pieces_is_stored_in_one():
    def printed(*text, name="stdout"):
        return {"output_type": "stream", "name": name, "text": list(text)}

    picture = shown(image_png="iVBOR", text_plain="A band.")
    slow = code(
        printed("A 0.5"), printed("\n", "B 0.9\n"), printed("careful\n", name="stderr"), picture, printed("C\n")
    )
    (cell,) = stored({"cells": [slow]})["cells"]
    assert cell["outputs"] == [
        printed("A 0.5\n", "B 0.9\n"),
        printed("careful\n", name="stderr"),
        picture,
        printed("C\n"),
    ]


def test_an_answer_is_folded_and_its_first_line_tells_nothing():
    """JupyterLab writes the first line that is not empty beside the dots of what is folded."""
    printed = {"output_type": "stream", "name": "stdout", "text": ["A 0.55\n", "B 0.99\n"]}
    book = {"cells": [
        code(printed, tags=["answer"]),
        code(shown(image_png="iVBOR", text_plain="At A the band is wide."), tags=["answer"]),
        code({"output_type": "stream", "name": "stdout", "text": ["seen"]}),
    ]}  # fmt: skip
    numbers, figure, other = stored(book)["cells"]
    assert numbers["metadata"]["jupyter"] == figure["metadata"]["jupyter"] == {"outputs_hidden": True}
    assert numbers["outputs"][0]["text"] == [" \n", "A 0.55\n", "B 0.99\n"]
    assert figure["outputs"][0]["data"]["text/plain"] == [" \n", "At A the band is wide."]
    assert other["outputs"][0]["text"] == ["seen"] and "jupyter" not in other["metadata"]


def test_a_second_time_changes_nothing():
    printed = {"output_type": "stream", "name": "stdout", "text": "A"}
    once = stored({"cells": [code(printed, tags=["answer"])]})
    before = json.dumps(once)
    assert json.dumps(stored(once)) == before
