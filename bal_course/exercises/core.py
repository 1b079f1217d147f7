"""Exercises that tell "not attempted yet" from "wrong", and a known mistake from an unknown one.

A learner may pass anything. What is expected is computed first, every call gets arguments of its own, what comes back is
copied at once, and whatever it is or does becomes a verdict.
"""

import copy
import inspect
import math
import reprlib
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from bal_course.exercises import marks
from bal_course.exercises.feedback import verdict_in_markdown

Kind = Literal["not attempted", "right", "known mistake", "wrong", "error"]


@dataclass(frozen=True)
class Verdict:
    """What `check` says about an attempt."""

    kind: Kind
    message: str


NOT_ATTEMPTED = Verdict(
    "not attempted", "Not attempted yet. Put your answer in place of the stub, then run the check again."
)


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that learners really give, and the sentence that helps those who gave it."""

    attempt: Any
    message: str


ZERO_TIMES_LOG = "Where a probability is zero, 0 · log 0 made `nan`. `torch.special.entr` takes it as zero."
_NO_RETURN = "your function gave nothing back (`None`). Is a `return` missing? What is printed is not returned."
_MOST_NUMBERS = 1_000_000  # a larger array is nobody's answer, and a copy of it would cost memory
_NUMBERS = "biufc"  # NumPy's letters for their types
_STUB = (lambda: None).__code__.co_code[::2]  # the instructions of `pass`, `...` or a docstring and nothing else


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise. The answer is a value, or a function that is compared with the learner's on every case.

    `cases` holds tuples of arguments. Numbers agree where they differ by at most `tolerance`, relative or absolute.
    `name` is "module.variable" for an exercise of the course; marks are kept under it, and none for an exercise without.
    A prediction has a `question` for `ask`, and `choices`: the words on a button by the value that they stand for, one of
    them the answer, each other in `mistakes`. Without choices a number is asked for.
    """

    name: str = ""
    title: str
    answer: Any
    explanation: str
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...] = ()
    cases: tuple[tuple, ...] = ()
    tolerance: float = 1e-6
    question: str = ""
    choices: dict[str, str] = field(default_factory=dict)
    hints_shown: list[str] = field(default_factory=list, init=False, repr=False)

    def judge(self, attempt: Any) -> Verdict:
        """The verdict on an attempt, without showing anything."""
        if attempt is None or attempt is Ellipsis:
            return NOT_ATTEMPTED
        if callable(self.answer) and callable(attempt):
            return self._judge_function(attempt)
        if callable(self.answer):
            came = type(attempt).__name__
            return Verdict("wrong", f"Pass the function itself, not {came}: `check(name_of_the_function)`.")
        if callable(attempt):
            return Verdict("wrong", "Pass the value itself, not a function: `check(the_value)`.")
        return self._judge_value(attempt)

    def _judge_value(self, attempt: Any) -> Verdict:
        """The verdict on a value. To one that is wrong the right one is not given away."""
        if _means(attempt, self.answer, self.tolerance):
            return Verdict("right", f"Right. {self.explanation}")
        for mistake in self.mistakes:
            if _means(attempt, mistake.attempt, self.tolerance):
                return Verdict("known mistake", f"Not yet. {mistake.message}")
        return Verdict("wrong", "Not yet. Try a hint.")

    def _judge_function(self, attempt: Callable) -> Verdict:
        """The verdict on a function, from what it returns on each case."""
        expected = self._reference(self.answer)
        known = [(mistake.message, self._reference(mistake.attempt)) for mistake in self.mistakes]
        results: list[np.ndarray] = []
        for arguments in self.cases:
            try:
                result = attempt(*own(arguments))
            except (Exception, SystemExit) as error:
                # PyTorch raises this one as well, with words: "not implemented for 'Half'"
                if isinstance(error, NotImplementedError) and not error.args and not results:
                    return NOT_ATTEMPTED
                stopped = f"{type(error).__name__}: {_words(error, str)}"
                return Verdict("error", f"With {_shown(*arguments)}, your code stopped with {stopped}")
            if not results and (result is Ellipsis or (result is None and _is_stub(attempt))):
                return NOT_ATTEMPTED
            if result is None:
                return Verdict("wrong", f"Not yet. With {_shown(*arguments)}, {_NO_RETURN}")
            results.append(as_array(result))
        return self._compare(results, expected, known)

    def _reference(self, function: Callable) -> list[np.ndarray]:
        """What a function of the course returns on each case, whatever the learner has set for warnings."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [as_array(function(*own(arguments))) for arguments in self.cases]

    def _compare(
        self, results: list[np.ndarray], expected: list[np.ndarray], known: list[tuple[str, list[np.ndarray]]]
    ) -> Verdict:
        """The verdict on what a function returned, from what the answer and each known mistake return."""
        if self._agree(results, expected):
            return Verdict("right", f"Right. {self.explanation}")
        for message, targets in known:
            if self._agree(results, targets):
                return Verdict("known mistake", f"Not yet. {message}")
        numbers = np.concatenate([result.ravel() for result in results if result.dtype.kind in "fc"] or [[]])
        zeros = any(map(has_zero_probability, self.cases))
        if not (zeros and np.isnan(numbers).any() and np.isfinite(numbers).any()):
            return Verdict("wrong", self._first_difference(results, expected))
        for message, targets in [("", expected), *known]:
            if self._agree(_without_nan(results, targets), targets):
                return Verdict("known mistake", " ".join(filter(None, ("Not yet.", message, ZERO_TIMES_LOG))))
        return Verdict("wrong", f"{self._first_difference(results, expected)} {ZERO_TIMES_LOG}")

    def _agree(self, results: list[np.ndarray], targets: list[np.ndarray]) -> bool:
        return all(_is_close(*pair, self.tolerance) for pair in zip(results, targets, strict=True))

    def _first_difference(self, results: list[np.ndarray], expected: list[np.ndarray]) -> str:
        """A sentence about the first case that differs."""
        for arguments, result, target in zip(self.cases, results, expected, strict=True):
            if not _is_close(result, target, self.tolerance):
                return f"Not yet. With {_shown(*arguments)}, expected {_told_apart(result, target, self.tolerance)}."
        raise AssertionError("a difference is asked for only where results differ")

    def ask(self) -> None:
        """Asks the question with a button for each choice, or a field for a number; an answer is judged at once.

        Raises ValueError where there is no question, or where the answer is neither a choice nor a number.
        """
        from bal_course.exercises import buttons

        if not self.question:
            raise ValueError(f"question: expected what is asked, got none for {self.title!r}")
        if not self.choices and not isinstance(self.answer, int | float):
            raise ValueError(f"choices: expected some, or a number as answer, got none for {self.title!r}")
        buttons.show(self)

    def check(self, attempt: Any) -> None:
        """Says whether the attempt is right, and if not, what went wrong."""
        verdict = self.judge(attempt)
        if verdict == NOT_ATTEMPTED:
            _show_text(f"… **{self.title}**  \n{verdict.message}")
            return
        right = verdict.kind == "right"
        trouble = marks.note(self.name, "done") if right else ""
        told = verdict_in_markdown(self.title, right, verdict.message)
        plain = f"{'✓' if right else '✗'} {self.title}\n{verdict.message}"
        _show_text(*(f"{text}\n\n{trouble}".strip() for text in (told, plain)))

    def hint(self) -> None:
        """Shows the next hint; the last one stays."""
        self.hints_shown.append(self.hints[min(len(self.hints_shown), len(self.hints) - 1)])
        number = min(len(self.hints_shown), len(self.hints))
        marks.note(self.name, "hint")
        _show_text(f"**Hint {number} of {len(self.hints)}.** {self.hints_shown[-1]}")

    def solution(self) -> None:
        """Shows the answer and why it is right."""
        marks.note(self.name, "solution")
        code = _source_of(self.answer) if callable(self.answer) else repr(self.answer)
        _show_text(f"**Solution.** {self.explanation}\n\n```python\n{code}\n```")


def own(arguments: tuple) -> tuple:
    """Copies, one by one, so that a function that changes what it is given changes neither the case nor another argument."""
    return tuple(
        argument.detach().clone() if isinstance(argument, torch.Tensor) else copy.deepcopy(argument)
        for argument in arguments
    )


def _is_stub(function: Callable) -> bool:
    """Whether the body of a function is empty. One that computes and returns nothing is an attempt."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_code[::2] == _STUB


def _means(attempt: Any, value: Any, tolerance: float) -> bool:
    """Whether an attempt means this value: "b " means "B", and "0,04" or tensor([0.04]) means 0.04."""
    result, target = as_array(attempt), as_array(value)
    if result.size != 1 or target.size != 1:
        return _is_close(result, target, tolerance)
    result, target = result.reshape(()), target.reshape(())
    if result.dtype.kind == target.dtype.kind == "U" and _letters(result) == _letters(target):
        return True
    return _is_close(_number_in(result), _number_in(target), tolerance)


def _letters(text: np.ndarray) -> str:
    """The letters and digits of a text, small."""
    return "".join(filter(str.isalnum, text.item().casefold()))


def _number_in(array: np.ndarray) -> np.ndarray:
    """The number that a text begins with; what is no text, or begins otherwise, stays as it is."""
    try:
        return np.asarray(float(array.item().split()[0].replace(",", ".")))
    except (AttributeError, IndexError, TypeError, ValueError):
        return array


def _is_close(result: np.ndarray, target: np.ndarray, tolerance: float) -> bool:
    """Whether two arrays agree in shape and, within the tolerance, in every number; words and labels must be equal."""
    if result.shape != target.shape or (result.dtype.kind in _NUMBERS) != (target.dtype.kind in _NUMBERS):
        return False
    if target.dtype.kind not in _NUMBERS:
        return bool(np.array_equal(result, target))
    with np.errstate(all="ignore"):
        return bool(np.allclose(result, target, rtol=tolerance, atol=tolerance, equal_nan=True))


def has_zero_probability(arguments: tuple) -> bool:
    """Whether an argument is a table of probabilities, its rows summing to one, that holds an exact zero."""
    tables = [array for array in map(as_array, arguments) if array.dtype.kind == "f" and array.ndim > 1]
    return any(table.min(initial=1) == 0 and np.allclose(table.sum(axis=-1), 1) for table in tables)


def _without_nan(results: list[np.ndarray], targets: list[np.ndarray]) -> list[np.ndarray]:
    """The results with the target's number in place of each `nan`."""
    return [
        np.where(np.isnan(result), target, result)
        if result.dtype.kind in "fc" and result.shape == target.shape
        else result
        for result, target in zip(results, targets, strict=True)
    ]


@dataclass(frozen=True)
class _Odd:
    """What is no array: ragged, too large, recursive or hostile. It agrees with nothing but its equal."""

    value: Any

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, _Odd) and bool(self.value == other.value)
        except Exception:
            return False

    def __repr__(self) -> str:
        return _words(self.value, _REPR.repr)


def as_array(value: Any) -> np.ndarray:
    """A copy of a value as an array: of numbers or words, or of one `_Odd` where it is neither."""
    try:
        return _to_array(value)
    except Exception:
        return np.array(_Odd(value), dtype=object)


def _to_array(value: Any) -> np.ndarray:
    size = math.prod(value.shape) if hasattr(value, "shape") else len(value) if hasattr(value, "__len__") else 1
    if size > _MOST_NUMBERS:
        raise ValueError("too many numbers")
    if isinstance(value, torch.Tensor):
        dense = value.detach().to_dense().cpu().resolve_conj().resolve_neg()
        try:
            return dense.numpy().copy()
        except TypeError:  # NumPy has no bfloat16
            return dense.float().numpy()
    if isinstance(value, list | tuple):
        value = [_to_array(item) for item in value]
    array = np.array(value)
    return array.astype(float) if array.dtype.kind == "O" else array  # fractions and the like


_REPR = reprlib.Repr()  # short, however large, deep or recursive
_REPR.maxstring = _REPR.maxother = 120


def _words(value: Any, say: Callable[[Any], str]) -> str:
    """What `say` makes of a value, cut where it is long, or the name of its type where that fails."""
    try:
        text = say(value)
    except Exception:
        return f"an object of type {type(value).__name__}"
    return text if len(text) <= 500 else f"{text[:500]} …"


def _shown(*values: Any, precision: int = 4) -> str:
    """Values as short code."""

    def code(array: np.ndarray) -> str:
        return np.array2string(array, precision=precision, threshold=12, separator=", ")

    return ", ".join(f"`{_words(as_array(value), code)}`" for value in values)


def _told_apart(result: np.ndarray, target: np.ndarray, tolerance: float) -> str:
    """What was expected and what came, in as many digits as it takes, and where, if they are long."""
    place = ""
    if result.shape == target.shape and target.size > 12:
        differs = [not _is_close(*pair, tolerance) for pair in zip(result.flat, target.flat, strict=True)]
        first = np.unravel_index(differs.index(True), target.shape)
        place, result, target = f" at place `{[int(index) for index in first]}`", result[first], target[first]
    for precision in (4, 8, 16):
        wanted, got = _shown(target, precision=precision), _shown(result, precision=precision)
        if wanted != got:
            break
    shapes = f" of shape {result.shape} instead of {target.shape}" if result.shape != target.shape else ""
    return f"{wanted}, got {got}{shapes}{place}"


def _source_of(function: Callable) -> str:
    return textwrap.dedent(inspect.getsource(function)).strip()


def _show_text(markdown: str, plain: str = "") -> None:
    from IPython.display import display

    display({"text/markdown": markdown, "text/plain": plain or markdown}, raw=True)
