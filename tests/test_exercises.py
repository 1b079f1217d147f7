"""The exercise machinery, and every exercise of the course: its answer, its stub, its catalogued mistakes."""

import importlib
import pkgutil

import numpy as np
import pytest
import torch

from bal_utils import exercises
from bal_utils.exercises.core import Exercise, Mistake


def course_exercises():
    for module in pkgutil.iter_modules(exercises.__path__):
        if module.name != "core":
            names = vars(importlib.import_module(f"bal_utils.exercises.{module.name}")).items()
            for name, value in names:
                if isinstance(value, Exercise):
                    yield pytest.param(value, id=f"{module.name}.{name}")


EXERCISES = list(course_exercises())


def double(x):
    return 2 * x


EXAMPLE = Exercise(
    title="Double",
    answer=double,
    explanation="Twice x.",
    hints=("Think of two.", "Multiply."),
    cases=((1.5,), (torch.tensor([1.0, 2.0]),)),
    mistakes=(Mistake(lambda x: x * x, "You squared x."),),
)
VALUE = Exercise(
    title="Choose", answer="C", explanation="Because.", hints=("Look.",), mistakes=(Mistake("B", "Noise."),)
)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_answer_is_accepted(exercise):
    assert exercise.judge(exercise.answer).kind == "right"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_stubs_are_not_attempts(exercise):
    def raises(*arguments):
        raise NotImplementedError

    for stub in (None, ..., raises, lambda *arguments: None, lambda *arguments: ...):
        if callable(exercise.answer) or not callable(stub):
            assert exercise.judge(stub).kind == "not attempted"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_each_mistake_gets_its_own_message(exercise):
    assert len({mistake.message for mistake in exercise.mistakes}) == len(exercise.mistakes) >= 1
    for mistake in exercise.mistakes:
        verdict = exercise.judge(mistake.attempt)
        assert verdict.kind == "known mistake"
        assert mistake.message in verdict.message


@pytest.mark.parametrize("exercise", EXERCISES)
def test_hints_and_solution_can_be_shown(exercise, capsys):
    for _ in range(len(exercise.hints) + 1):
        exercise.hint()
    exercise.solution()
    text = capsys.readouterr().out
    assert all(hint in text for hint in exercise.hints)
    assert exercise.explanation in text
    exercise.hints_shown.clear()


def test_wrong_function_names_the_case():
    verdict = EXAMPLE.judge(lambda x: x + 1)
    assert verdict.kind == "wrong"
    assert "`1.5`" in verdict.message and "expected `3.`" in verdict.message and "got `2.5`" in verdict.message


def test_wrong_shape_is_wrong():
    assert EXAMPLE.judge(lambda x: np.asarray(2 * x).reshape(-1, 1)).kind == "wrong"


def test_an_exception_is_reported_as_such():
    verdict = EXAMPLE.judge(lambda x: x.nothing)
    assert verdict.kind == "error" and "AttributeError" in verdict.message


def test_a_value_in_place_of_a_function():
    assert "Pass the function itself" in EXAMPLE.judge(3.0).message


def test_values_are_judged_without_giving_them_away():
    assert VALUE.judge("C").kind == "right"
    assert VALUE.judge("B").kind == "known mistake"
    assert VALUE.judge("A").kind == "wrong" and "C" not in VALUE.judge("A").message
    assert VALUE.judge([["ragged"], 1, 2]).kind == "wrong"
