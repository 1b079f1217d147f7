"""Predictions as buttons: what the browser gets, what a page without a kernel holds, what counts as done."""

import importlib
import json
import pkgutil
from datetime import date
from html.parser import HTMLParser

import pytest

from bal_course import exercises
from bal_course.exercises import buttons, feedback
from bal_course.exercises.buttons import Buttons
from bal_course.exercises.core import Exercise, Mistake

WIDGET = "application/vnd.jupyter.widget-view+json"
LETTERS = Exercise(
    name="nowhere.prediction_1",
    title="Choose",
    question="Is $a < b$ & `c`?",
    choices={"A": "A, <never>", "B": "B, the *bay*"},
    answer="B",
    explanation="Because $x < y$ & so on.",
    hints=("Look at **both**.", "Look again."),
    mistakes=(Mistake("A", "Never, for `x < 1`."),),
)
NUMBER = Exercise(
    name="nowhere.prediction_2",
    title="Weigh",
    question="How much?",
    answer=0.5,
    tolerance=0.01,
    explanation="One half.",
    hints=("Two halves make one.",),
    mistakes=(Mistake(2, "That is its inverse."),),
)


def predictions():
    for module in pkgutil.iter_modules(exercises.__path__):
        for name, value in vars(importlib.import_module(f"bal_course.exercises.{module.name}")).items():
            if isinstance(value, Exercise) and value.question:
                yield pytest.param(value, id=f"{module.name}.{name}")


PREDICTIONS = list(predictions())


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The file of a learner who has done nothing yet."""
    path = tmp_path / "progress.json"
    monkeypatch.setenv("BAL_PROGRESS", str(path))
    return path


class Page(HTMLParser):
    """The choices of a page, and the text that each opens."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.told, self.choice = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "details":
            self.choice = dict(attrs).get("data-choice", "hint")
            self.told[self.choice] = ""

    def handle_data(self, data):
        if self.choice:
            self.told[self.choice] += data


@pytest.mark.parametrize("exercise", PREDICTIONS)
def test_one_choice_is_right_and_each_other_has_its_sentence(exercise):
    kinds = [exercise.judge(value).kind for value in exercise.choices]
    assert exercise.choices == {} or sorted(kinds) == ["known mistake"] * (len(kinds) - 1) + ["right"]
    assert exercise.choices or isinstance(exercise.answer, int | float)
    assert exercise.hints and exercise.question.strip()[-1:] in "?.:…"


@pytest.mark.parametrize("exercise", PREDICTIONS)
def test_a_page_without_a_kernel_says_what_the_buttons_say(exercise):
    page, widget = Page(buttons.stored_html(exercise)), Buttons(exercise)
    assert list(page.told) == [*(exercise.choices or ["answer"]), "hint"]
    for value, verdict in widget.verdicts.items():
        assert "".join(Page(f"<details data-choice='x'>{verdict['html']}</details>").told["x"]) in page.told[value]
        assert ("✓ Right." if verdict["right"] else "✗ Not yet.") in page.told[value]


def test_the_page_is_escaped_and_the_same_in_every_run():
    html = buttons.stored_html(LETTERS)
    assert html == buttons.stored_html(LETTERS)
    assert "<never>" not in html and "A, &lt;never&gt;" in html and "<code>x &lt; 1</code>" in html
    assert "<em>bay</em>" in html and "<strong>both</strong>" in html
    assert '<span class="math notranslate nohighlight">\\(x &lt; y\\)</span> &amp; so on' in html


def test_the_plain_text_gives_nothing_away():
    assert buttons.stored_text(LETTERS) == "Predict. Is $a < b$ & `c`?\n- A, <never>\n- B, the *bay*"
    assert "half" not in buttons.stored_text(NUMBER).lower()


def test_a_right_answer_is_kept_and_a_wrong_one_is_not(kept):
    widget = Buttons(LETTERS)
    widget.answer = "A"
    assert not kept.exists()
    widget.answer = "B"
    assert json.loads(kept.read_text()) == {"nowhere.prediction_1": {"done": date.today().isoformat()}}


def test_a_hint_that_came_first_is_told(kept):
    widget = Buttons(LETTERS)
    widget.hints_read, widget.answer = 1, "B"
    assert json.loads(kept.read_text())["nowhere.prediction_1"]["help"] == "hint"


def test_a_mark_that_cannot_be_kept_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("BAL_PROGRESS", str(tmp_path))
    widget = Buttons(LETTERS)
    widget.answer = "B"
    assert "BAL_PROGRESS" in widget.trouble


@pytest.mark.parametrize(
    ("given", "right", "said"),
    [
        ("0.5", True, "One half."),
        ("0,501", True, "One half."),
        ("2", False, "its inverse"),
        ("much", False, "Try a hint"),
    ],
)
def test_a_number_is_judged_when_it_comes(given, right, said):
    widget = Buttons(NUMBER)
    assert widget.verdicts == {} and widget.choices == []
    widget.answer = given
    assert widget.verdicts[given]["right"] is right and said in widget.verdicts[given]["html"]


def test_asking_shows_widget_page_and_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    LETTERS.ask()
    ((data, options),) = shown
    assert set(data) == {WIDGET, "text/html", "text/plain"} and options == {"raw": True}


def test_what_cannot_be_asked_says_why():
    silent = Exercise(title="Mute", answer="B", explanation="", hints=("",))
    with pytest.raises(ValueError, match="question"):
        silent.ask()
    with pytest.raises(ValueError, match="choices"):
        Exercise(title="Words", question="What?", answer="B", explanation="", hints=("",)).ask()


@pytest.mark.parametrize(("right", "words"), [(True, "Right."), (False, "Not yet.")])
def test_a_verdict_has_a_sign_a_colour_and_words(right, words):
    for told in (
        feedback.verdict_in_html(right, f"{words} So."),
        feedback.verdict_in_markdown("T", right, f"{words} So."),
    ):
        sign, _, colour = feedback.RIGHT if right else feedback.NOT_YET
        assert sign in told and colour in told and told.count(words) == 1 and "So." in told
