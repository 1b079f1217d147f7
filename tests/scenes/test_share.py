"""States as text, and back."""

from dataclasses import dataclass

import pytest

from bal_scenes.share import from_text, to_text


@dataclass(frozen=True, kw_only=True)
class State:
    count: int = 1
    noise: float = 0.1
    name: str = "bald"
    shown: bool = False
    star: tuple[float, float] = (0.0, 0.0)
    labels: tuple[tuple[int, str], ...] = ()
    near: int | None = None


CHANGED = State(count=3, noise=2.0, name="größte", shown=True, star=(1.5, -2.0), labels=((1, "a"), (2, "b")), near=4)


@pytest.mark.parametrize("state", [State(), CHANGED])
def test_a_round_trip_is_one_line_and_changes_nothing(state):
    text = to_text("Moons", state)
    assert "\n" not in text
    back = from_text("Moons", State, text)
    assert back == state
    assert hash(back) == hash(state), "lists would not hash"


def test_missing_fields_keep_their_defaults_and_whole_numbers_are_numbers():
    assert from_text("Moons", State, '{"noise": 2, "star": [1, 2]}') == State(noise=2.0, star=(1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a copied scene"),
        ("{", "not a copied scene"),
        ("[1, 2]", "not a copied scene: expected {...}"),
        ('{"explorer": "Star"}', "belongs to the explorer 'Star', this one is Moons"),
        ('{"nois": 1}', "no field 'nois'; it has count, noise"),
        ('{"noise": "much"}', "noise: expected float, got 'much'"),
        ('{"noise": NaN}', "expected numbers up to .* got NaN"),
        ('{"noise": -Infinity}', "expected numbers up to .* got -Infinity"),
        ('{"star": [1e999, 0]}', "expected numbers up to .* got 1e999"),
        ('{"noise": 1e300}', "expected numbers up to"),
        ('{"count": 9007199254740992}', "expected numbers up to"),
        pytest.param('{"count": -%s}' % ("9" * 400), "expected numbers up to", id="400 digits"),
        pytest.param('{"noise": %s}' % ("9" * 5000), "expected numbers up to", id="5000 digits"),
        pytest.param("[" * 100_000, "not a copied scene", id="brackets"),
        pytest.param('{"labels": %s' % ("[" * 100_000), "not a copied scene", id="brackets in a field"),
        pytest.param('{"noise": ' + "[" * 400 + "]" * 400 + "}", "noise: expected float", id="deep"),
        pytest.param('{"explorer": [%s1]}' % ("1," * 10_000), "belongs to the explorer", id="a long name"),
        ('{"explorer": 1e999}', "expected numbers up to"),
        ('{"count": 1.5}', "count: expected int, got 1.5"),
        ('{"count": true}', "count: expected int, got True"),
        ('{"shown": 1}', "shown: expected bool, got 1"),
        ('{"star": [1]}', "star: expected 2 entries, got 1"),
        ('{"labels": [[1, 2]]}', "labels: expected str, got 2"),
        ('{"near": "there"}', "near: expected int, got 'there'"),
    ],
)
def test_bad_texts_are_refused_with_a_sentence(text, words):
    with pytest.raises(ValueError, match=words) as caught:
        from_text("Moons", State, text)
    assert len(str(caught.value)) < 200


def test_a_sentence_about_a_text_can_be_sent_to_the_browser():
    with pytest.raises(ValueError, match="no field") as caught:
        from_text("Moons", State, '{"\\ud800": 1}')  # half a character, which has no bytes
    assert str(caught.value).encode()


def test_the_largest_whole_number_that_all_programs_read_is_read():
    assert from_text("Moons", State, '{"count": 9007199254740991}').count == 2**53 - 1


def test_states_that_are_not_finite_are_not_written():
    with pytest.raises(ValueError):
        to_text("Moons", State(noise=float("nan")))
