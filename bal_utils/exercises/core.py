"""Exercises that tell "not attempted yet" from "wrong", and a known mistake from an unknown one."""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from bal_utils.exercises import progress

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


def by_logarithm(probs: Any) -> Any:
    """-Σ p log p as it stands, the mistake that `ZERO_TIMES_LOG` speaks of."""
    return -(probs * probs.log()).sum()


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One exercise. The answer is a value, or a function that is compared with the learner's on every case.

    `cases` holds tuples of arguments. Numbers agree where they differ by at most `tolerance`, relative or absolute.
    """

    title: str
    answer: Any
    explanation: str
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...] = ()
    cases: tuple[tuple, ...] = ()
    tolerance: float = 1e-6
    hints_shown: list[str] = field(default_factory=list, init=False, repr=False)

    def judge(self, attempt: Any) -> Verdict:
        """The verdict on an attempt, without showing anything."""
        if callable(self.answer) and not (callable(attempt) or is_blank(attempt)):
            return Verdict(
                "wrong", f"Pass the function itself, not {type(attempt).__name__}: `check(name_of_the_function)`."
            )
        try:
            results = self.results(attempt)
        except NotImplementedError:
            return NOT_ATTEMPTED
        except Exception as error:
            return Verdict("error", f"Your code stopped with {type(error).__name__}: {error}")
        if any(is_blank(result) for result in results):
            return NOT_ATTEMPTED
        expected = self.results(self.answer)
        if self.agree(results, expected):
            return Verdict("right", f"Right. {self.explanation}")
        for mistake in self.mistakes:
            if self.agree(results, self.results(mistake.attempt)):
                return Verdict("known mistake", f"Not yet. {mistake.message}")
        return Verdict("wrong", self.first_difference(results, expected))

    def results(self, attempt: Any) -> list:
        """The attempt's value, or what it returns on each case."""
        if not callable(attempt):
            return [attempt]
        return [attempt(*arguments) for arguments in self.cases]

    def agree(self, results: list, expected: list) -> bool:
        return all(is_close(result, target, self.tolerance) for result, target in zip(results, expected, strict=True))

    def first_difference(self, results: list, expected: list) -> str:
        """A sentence about the first case that differs; a plain value is not given away."""
        if not callable(self.answer):
            return "Not yet. Try a hint."
        for arguments, result, target in zip(self.cases, results, expected, strict=True):
            if not is_close(result, target, self.tolerance):
                return f"Not yet. With {shown(*arguments)}, expected {shown(target)}, got {shown(result)}."
        raise AssertionError("first_difference is asked for only where results differ")

    def check(self, attempt: Any) -> None:
        """Says whether the attempt is right, and if not, what went wrong."""
        verdict = self.judge(attempt)
        sign = {"right": "✓", "not attempted": "…"}.get(verdict.kind, "✗")
        trouble = progress.note(self, "done") if verdict.kind == "right" else ""
        show_text(f"{sign} **{self.title}**  \n{verdict.message}" + (f"\n\n{trouble}" if trouble else ""))

    def hint(self) -> None:
        """Shows the next hint; the last one stays."""
        self.hints_shown.append(self.hints[min(len(self.hints_shown), len(self.hints) - 1)])
        number = min(len(self.hints_shown), len(self.hints))
        progress.note(self, "hint")
        show_text(f"**Hint {number} of {len(self.hints)}.** {self.hints_shown[-1]}")

    def solution(self) -> None:
        """Shows the answer and why it is right."""
        progress.note(self, "solution")
        code = source_of(self.answer) if callable(self.answer) else repr(self.answer)
        show_text(f"**Solution.** {self.explanation}\n\n```python\n{code}\n```")


def is_blank(value: Any) -> bool:
    return value is None or value is Ellipsis


def is_close(result: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values agree in shape and, within the tolerance, in every number; words and labels must be equal."""
    result, expected = as_array(result), as_array(expected)
    if result.shape != expected.shape:
        return False
    if not (np.issubdtype(result.dtype, np.number) and np.issubdtype(expected.dtype, np.number)):
        return bool(np.array_equal(result, expected))
    return bool(np.allclose(result, expected, rtol=tolerance, atol=tolerance, equal_nan=True))


def as_array(value: Any) -> np.ndarray:
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except ValueError:  # ragged lists are no array: they agree with nothing
        return np.asarray(repr(value))


def shown(*values: Any) -> str:
    """Values as short code."""
    return ", ".join(
        f"`{np.array2string(as_array(value), precision=4, threshold=12, separator=', ')}`" for value in values
    )


def source_of(function: Callable) -> str:
    return textwrap.dedent(inspect.getsource(function)).strip()


def show_text(markdown: str) -> None:
    from IPython.display import display

    display({"text/markdown": markdown, "text/plain": markdown}, raw=True)
