"""The exercise machinery, and every exercise of the course: its answer, its stub, its catalogued mistakes."""

import decimal
import fractions
import importlib
import inspect
import pkgutil
import sys
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

from bal_course import exercises
from bal_course.exercises.core import ZERO_TIMES_LOG, Exercise, Mistake, has_zero_probability


def course_exercises():
    for module in pkgutil.iter_modules(exercises.__path__):
        if module.name != "core":
            names = vars(importlib.import_module(f"bal_course.exercises.{module.name}")).items()
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

    def documented(*arguments):
        """Writes nothing yet."""

    for stub in (None, ..., raises, documented, lambda *arguments: None, lambda *arguments: ...):
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


FUNCTIONS = [
    pytest.param(*parameter.values, id=parameter.id) for parameter in EXERCISES if callable(parameter.values[0].answer)
]
VALUES = [
    pytest.param(*parameter.values, id=parameter.id)
    for parameter in EXERCISES
    if not callable(parameter.values[0].answer)
]
MATRIX = Exercise(
    title="Half",
    answer=lambda x, y: (x + y) / 2,
    explanation="The mean.",
    hints=("Two.",),
    cases=((torch.ones(2, 2), torch.eye(2)), (torch.eye(2), torch.eye(2))),
)


def spoil(value):
    """Overwrites whatever can be overwritten."""
    if isinstance(value, torch.Tensor):
        value.fill_(0.25) if value.is_floating_point() else value.zero_()
    elif isinstance(value, np.ndarray):
        value[...] = 0.25
    elif isinstance(value, list):
        value.clear()


@pytest.mark.parametrize("exercise", FUNCTIONS)
def test_an_attempt_that_works_in_place_changes_nothing(exercise):
    def spoiler(*arguments):
        results = exercise.answer(*arguments)
        for argument in arguments:
            spoil(argument)
        return results

    def after_spoiling(*arguments):
        for argument in arguments:
            spoil(argument)
        try:
            return exercise.answer(*arguments)
        except Exception:
            return 0.0

    assert exercise.judge(spoiler).kind == "right"  # what it returns is right
    if any(isinstance(argument, torch.Tensor | np.ndarray | list) for case in exercise.cases for argument in case):
        assert exercise.judge(after_spoiling).kind != "right"
    assert exercise.judge(exercise.answer).kind == "right"


def test_one_tensor_in_two_places_is_two_tensors():
    def halves(x, y):
        x /= 2
        y /= 2
        return x + y

    twice = torch.eye(2)
    same = Exercise(title="Mean", answer=MATRIX.answer, explanation="", hints=("",), cases=((twice, twice),))
    assert MATRIX.judge(halves).kind == same.judge(halves).kind == "right"


def test_a_result_that_is_used_again_counts_as_it_was():
    buffer = torch.empty(2, 2)
    assert MATRIX.judge(lambda x, y: torch.add(x, y, out=buffer).div_(2)).kind == "right"


def test_what_is_expected_is_computed_before_the_attempt(monkeypatch):
    def meddling(probs):
        monkeypatch.setattr(torch.special, "entr", torch.zeros_like)
        return torch.tensor(0.0)

    from bal_course.exercises.start_here import exercise_3

    assert exercise_3.judge(meddling).kind != "right"


class Hostile:
    """Everything that one may ask of it raises."""

    def fail(self, *_):
        raise RuntimeError("no")

    __eq__ = __repr__ = __str__ = __len__ = __iter__ = __getitem__ = __float__ = __bool__ = __array__ = fail
    __hash__ = None
    shape = property(fail)


class Equal:
    """Equal to everything."""

    def __eq__(self, other):
        return True

    __hash__ = None


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def raising(error):
    def attempt(*arguments):
        raise error

    return attempt


def recursive():
    items = []
    items.append(items)
    return items


def deep():
    items = []
    for _ in range(100_000):
        items = [items]
    return items


def endless(*arguments):
    return endless(*arguments)


ANYTHING = {
    "nan": lambda: float("nan"),
    "hostile": Hostile,
    "hostile in a list": lambda: [Hostile(), 1],
    "equal": Equal,
    "ragged": lambda: [[1], [1, 2]],
    "recursive": recursive,
    "deep": deep,
    "huge": lambda: torch.zeros(1).expand(10**6, 10**6),
    "huge array": lambda: np.broadcast_to(0.0, (10**6, 10**6)),
    "huge sparse": lambda: torch.sparse_coo_tensor(torch.tensor([[0], [0]]), torch.tensor([1.0]), (10**6, 10**6)),
    "huge range": lambda: range(10**12),
    "huge number": lambda: 10**5000,
    "long text": lambda: "x" * 5_000_000,
    "meta": lambda: torch.empty(2, device="meta"),
    "empty": lambda: [],
    "dictionary": lambda: {"a": torch.ones(2)},
    "bytes": lambda: b"B",
    "complex": lambda: torch.tensor(1j).conj(),
    "date": lambda: np.datetime64("2020-01-01"),
    "true": lambda: True,
    "words": lambda: ["A", None, 3],
    "gradient": lambda: torch.ones(2, requires_grad=True),
    "gradients in a list": lambda: [torch.ones(2, requires_grad=True) * 2, 1.0],
    "half": lambda: torch.ones(2, dtype=torch.float16),
    "bfloat16": lambda: torch.ones((), dtype=torch.bfloat16),
    "sparse": lambda: torch.eye(2).to_sparse(),
    "scipy sparse": lambda: sparse.eye(2),
    "type": lambda: int,
}


@pytest.mark.parametrize("name", ANYTHING)
@pytest.mark.parametrize(
    "exercise", [EXAMPLE, VALUE, MATRIX, *(FUNCTIONS[0].values), *(VALUES[0].values), *(VALUES[-1].values)]
)
def test_whatever_comes_there_is_a_verdict(exercise, name):
    thing = ANYTHING[name]()
    for attempt in (thing, lambda *arguments: thing):
        verdict = exercise.judge(attempt)
        assert verdict.kind in ("wrong", "error")
        assert len(verdict.message) < 3000


@pytest.mark.parametrize(
    "error", [Mute(), SystemExit(3), RuntimeError("x" * 10**6), NotImplementedError("'log' for Half"), StopIteration()]
)
def test_whatever_an_attempt_raises_is_told_with_the_case(error):
    verdict = EXAMPLE.judge(raising(error))
    assert verdict.kind == "error" and type(error).__name__ in verdict.message and "`1.5`" in verdict.message
    assert len(verdict.message) < 3000


def test_endless_recursion_is_an_error_and_ctrl_c_is_not():
    assert "RecursionError" in EXAMPLE.judge(endless).message
    with pytest.raises(KeyboardInterrupt):
        EXAMPLE.judge(raising(KeyboardInterrupt()))


@pytest.mark.parametrize(
    "dress",
    [
        lambda x: x.clone().requires_grad_(),
        lambda x: x.clone().requires_grad_() * 1,
        lambda x: list(x.clone().requires_grad_() * 1),
        lambda x: tuple(row.numpy() for row in x),
        lambda x: [[item.clone().requires_grad_() for item in row] for row in x],
        lambda x: x.to_sparse(),
        lambda x: x.to_sparse_csr(),
        lambda x: x.bfloat16(),
        lambda x: x.half(),
        lambda x: x.double().numpy(),
        lambda x: [[fractions.Fraction(item.item()) for item in row] for row in x],
        lambda x: np.array([[decimal.Decimal(item.item()) for item in row] for row in x]),
        lambda x: x.to(torch.complex64).conj(),
        lambda x: x.T.contiguous().T,
        lambda x: torch.nn.Parameter(x),
    ],
)
def test_a_right_answer_is_right_in_any_dress(dress):
    assert MATRIX.judge(lambda x, y: dress((x + y) / 2)).kind == "right"


@pytest.mark.parametrize("exercise", FUNCTIONS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_results_with_gradients_are_right(exercise, dtype):
    def attempt(*arguments):
        wanted = [
            one.to(dtype).requires_grad_() if isinstance(one, torch.Tensor) and one.is_floating_point() else one
            for one in arguments
        ]
        return exercise.answer(*wanted)

    doubles = any(
        isinstance(one, torch.Tensor) and one.dtype == torch.float64 for case in exercise.cases for one in case
    )
    if not (doubles and dtype == torch.float32):  # less precise than it was asked
        assert exercise.judge(attempt).kind == "right"


def test_a_forgotten_return_is_named():
    def doubles(x):
        x * 2

    def prints(x):
        print(2 * x, end="")

    def only_numbers(x):
        if isinstance(x, float):
            return 2 * x

    for forgetful in (doubles, prints, only_numbers):
        verdict = EXAMPLE.judge(forgetful)
        assert verdict.kind == "wrong" and "`return`" in verdict.message
    assert "`1.5`" not in EXAMPLE.judge(only_numbers).message  # the case that went well


def test_one_branch_left_as_a_stub_is_an_error():
    def half_done(x):
        if isinstance(x, float):
            return 2 * x
        raise NotImplementedError

    assert EXAMPLE.judge(half_done).kind == "error"


def test_a_function_for_a_value_and_a_value_for_a_function():
    assert "Pass the value" in VALUE.judge(lambda: "C").message
    assert "Pass the value" in VALUE.judge(lambda: None).message
    assert "Pass the function" in EXAMPLE.judge(torch.ones(2)).message


NUMBER = Exercise(
    title="", answer=0.0424, explanation="", hints=("",), tolerance=1e-3, mistakes=(Mistake(4.24, "Share."),)
)
PHRASE = Exercise(title="", answer="2 times", explanation="", hints=("",), mistakes=(Mistake("20 times", "Shared."),))


@pytest.mark.parametrize(
    "attempt",
    ["0.0424", " 0,0424\n", "0.0424 m", "4.24e-2", torch.tensor([0.0424]), torch.tensor([[0.0424]], requires_grad=True),
     np.float32(0.0424), np.array(["0.0424"]), [0.0424], (0.0424,), [torch.tensor(0.0424)], fractions.Fraction(424, 10_000),
     decimal.Decimal("0.0424"), torch.tensor(0.0424, dtype=torch.bfloat16)],
)  # fmt: skip
def test_a_number_is_taken_for_what_it_means(attempt):
    assert NUMBER.judge(attempt).kind == "right"


@pytest.mark.parametrize("attempt", ["4.24", torch.tensor([4.24]), "4,24 points"])
def test_a_mistake_is_known_in_any_dress(attempt):
    assert NUMBER.judge(attempt).kind == "known mistake"


@pytest.mark.parametrize(
    "attempt", ["", " ", "about 0.0424", [0.0424, 0.0424], "0.0.424", 0.05, float("inf"), "1" * 400]
)
def test_other_numbers_are_wrong(attempt):
    assert NUMBER.judge(attempt).kind == "wrong"


def test_words_are_taken_for_what_they_mean():
    for attempt in ("c", " C ", "(C)", "C.", "'C'", ["C"], ("C",), np.array("c"), np.str_("C")):
        assert VALUE.judge(attempt).kind == "right"
    for attempt in ("b", "B)", ("b ",)):
        assert VALUE.judge(attempt).kind == "known mistake"
    for attempt in ("A or C", "CC", "", "BC", ["C", "C"], 3):
        assert VALUE.judge(attempt).kind == "wrong"
    for attempt in ("2 times", "2 Times", "2times", "2", 2, "2.0 times", np.int64(2)):
        assert PHRASE.judge(attempt).kind == "right"
    for attempt in ("20  times", 20, "20"):
        assert PHRASE.judge(attempt).kind == "known mistake"
    assert PHRASE.judge("times").kind == "wrong"


@pytest.mark.parametrize("exercise", VALUES)
def test_every_value_and_mistake_may_be_written_as_text(exercise):
    def written(value):
        return f" {value} ".swapcase() if isinstance(value, str) else f" {value!r} "

    assert exercise.judge(written(exercise.answer)).kind == "right"
    for mistake in exercise.mistakes:
        assert exercise.judge(written(mistake.attempt)).message == f"Not yet. {mistake.message}"


WITH_ZEROS = [
    parameter
    for parameter in FUNCTIONS
    if any(map(has_zero_probability, parameter.values[0].cases))
    and "entr" in inspect.getsource(sys.modules[parameter.values[0].answer.__module__])
]


def test_exercises_with_exact_zeros_are_found():
    found = {parameter.id for parameter in WITH_ZEROS}
    assert {
        "start_here.exercise_2",
        "in_practice.exercise_3",
    } <= found


@pytest.mark.parametrize("exercise", WITH_ZEROS)
def test_zero_times_log_is_named_wherever_it_occurs(exercise, monkeypatch):
    """The answer, and every mistake, with -p log p as it stands in place of `entr`."""

    def by_logarithm(probs):
        return -(probs * probs.log())

    def naive(function):
        def attempt(*arguments):
            with monkeypatch.context() as patched:
                module = sys.modules[exercise.answer.__module__]
                patched.setattr(module, "entr", by_logarithm, raising=False)
                patched.setattr(torch.special, "entr", by_logarithm)
                return function(*arguments)

        return attempt

    def has_nan(function):
        return any(np.isnan(np.asarray(function(*arguments))).any() for arguments in exercise.cases)

    if has_nan(naive(exercise.answer)):
        verdict = exercise.judge(naive(exercise.answer))
        assert verdict.kind == "known mistake" and verdict.message == f"Not yet. {ZERO_TIMES_LOG}"
    for mistake in exercise.mistakes:
        if has_nan(naive(mistake.attempt)):
            message = exercise.judge(naive(mistake.attempt)).message
            assert mistake.message in message and ZERO_TIMES_LOG in message


def test_nan_without_a_zero_has_another_reason():
    assert ZERO_TIMES_LOG not in MATRIX.judge(lambda x, y: x * float("nan")).message


def test_numbers_that_look_alike_are_shown_in_more_digits():
    message = EXAMPLE.judge(lambda x: 2 * x + 3e-5).message
    wanted, got = message.split("expected ")[1].split(", got ")
    assert wanted.strip(".") != got.strip(".")


def test_shapes_and_places_are_told():
    assert "of shape (1, 1) instead of ()" in EXAMPLE.judge(lambda x: np.reshape(np.asarray(2 * x), (1, -1))).message
    long = Exercise(title="", answer=lambda x: 2 * x, explanation="", hints=("",), cases=((torch.zeros(4, 50),),))

    def one_wrong(x):
        x[2, 7] = 1.0
        return x

    assert "at place `[2, 7]`" in long.judge(one_wrong).message


def test_settings_of_the_learner_do_not_stop_the_reference():
    from bal_course.exercises.mnist_bald import exercise_2

    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert exercise_2.judge(lambda *arguments: (1.0, 2.0, 3.0)).kind == "wrong"
