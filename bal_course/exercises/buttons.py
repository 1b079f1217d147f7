"""A prediction as buttons, or as a field for a number: one output for a live notebook, a stored page and plain text.

In a live notebook a widget answers at once. In JupyterLab it also keeps the outputs of the cells tagged `answer` that follow
folded until something is answered. Where no kernel or no JavaScript is, each choice opens its sentence (`<details>`).
"""

import html
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from bal_course.exercises import marks
from bal_course.exercises.feedback import as_html, verdict_in_html

FOLDER = Path(__file__).parent


class Buttons(anywidget.AnyWidget):
    """The buttons of one prediction. `exercise` has a question, choices or a number for an answer, and judges."""

    _esm = FOLDER / "buttons.js"
    _css = FOLDER / "buttons.css"
    identity = traitlets.Unicode().tag(sync=True)  # by which the browser finds the cell that shows this
    question = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List().tag(sync=True)  # pairs of a value and the words on its button; none for a number
    hints = traitlets.List(traitlets.Unicode()).tag(sync=True)
    verdicts = traitlets.Dict().tag(sync=True)  # what is said to each answer; numbers come in as they are asked about
    answer = traitlets.Unicode().tag(sync=True)
    hints_read = traitlets.Int(0).tag(sync=True)
    trouble = traitlets.Unicode().tag(sync=True)  # why a mark could not be kept

    def __init__(self, exercise: Any) -> None:
        super().__init__(
            question=as_html(exercise.question),
            choices=[[value, as_html(words)] for value, words in exercise.choices.items()],
            hints=[as_html(hint) for hint in exercise.hints],
            verdicts={value: _verdict(exercise, value) for value in exercise.choices},
        )
        self.exercise, self.identity = exercise, self.model_id
        self.observe(self._answered, "answer")
        self.observe(lambda _: marks.note(exercise.name, "hint"), "hints_read")

    def _answered(self, change: dict[str, Any]) -> None:
        """Says what is not yet said to this answer, and keeps a mark where it is right."""
        self.verdicts = {change["new"]: _verdict(self.exercise, change["new"])} | self.verdicts
        if self.exercise.judge(change["new"]).kind == "right":
            self.trouble = marks.note(self.exercise.name, "done")


def _verdict(exercise: Any, value: str) -> dict[str, Any]:
    verdict = exercise.judge(value)
    right = verdict.kind == "right"
    return {"right": right, "html": verdict_in_html(right, verdict.message)}


def stored_html(exercise: Any) -> str:
    """The prediction for a page without a kernel: each choice opens its sentence, a number's answer opens likewise."""
    if exercise.choices:
        told = [(value, as_html(words), _verdict(exercise, value)["html"]) for value, words in exercise.choices.items()]
    else:
        told = [("answer", "The answer", f"<p>{as_html(exercise.explanation)}</p>")]
    folded = "".join(
        f'<details data-choice="{html.escape(value)}"><summary>{words}</summary>{sentence}</details>'
        for value, words, sentence in told
    )
    hints = "".join(f"<p>{as_html(hint)}</p>" for hint in exercise.hints)
    return (
        f'<div class="bal-prediction"><p><strong>Predict.</strong> {as_html(exercise.question)}</p>{folded}'
        f'<details class="bal-hint"><summary>Hint</summary>{hints}</details></div>'
    )


def stored_text(exercise: Any) -> str:
    """The prediction in plain text, which gives no answer away."""
    return "\n".join([f"Predict. {exercise.question}", *(f"- {words}" for words in exercise.choices.values())])


def show(exercise: Any) -> None:
    """Displays a prediction in a notebook."""
    from IPython.display import display

    bundle = {"text/html": stored_html(exercise), "text/plain": stored_text(exercise)}
    display(Buttons(exercise)._repr_mimebundle_()[0] | bundle, raw=True)
