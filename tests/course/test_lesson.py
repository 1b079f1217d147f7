"""The line that a folded check leaves."""

import numpy as np
import pytest
import torch

from bal_course.lesson import checked


def test_what_holds_leaves_one_line(capsys):
    checked("two is more than one", 2 > 1, np.array(True), torch.tensor([True]))
    assert capsys.readouterr().out == "✓ two is more than one\n"


def test_what_does_not_hold_fails_as_an_assertion_does_and_prints_nothing(capsys):
    with pytest.raises(AssertionError, match="claim 2 of 2 does not hold: both are large"):
        checked("both are large", True, np.float64(0.0) > 1)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("claim", [np.array([True, True]), torch.ones(2, 2) > 0])
def test_an_array_is_not_one_claim(claim):
    with pytest.raises(ValueError, match="claims"):
        checked("all are positive", claim)
