"""What a lesson says of itself while it runs."""

from typing import Any


def checked(sentence: str, *claims: Any) -> None:
    """Prints "✓ sentence" if all claims hold, the last line of a folded cell of checks; claims are truth values.

    Raises AssertionError with the sentence and the number of the claim that does not hold, and ValueError for a claim
    that is not one truth value: of an array, say `.all()` or `.any()`.
    """
    for number, claim in enumerate(claims, start=1):
        if getattr(claim, "shape", ()) not in ((), (1,)):
            raise ValueError(
                f"claims: expected truth values, got an array of shape {tuple(claim.shape)} as number {number}"
            )
        if not claim:
            raise AssertionError(f"claim {number} of {len(claims)} does not hold: {sentence}")
    print(f"✓ {sentence}")
