"""The words after a command: paths, as many as are needed, and a question that writes nothing."""

from pathlib import Path

import pytest

from publishing.command import paths_given


def given(monkeypatch, *words: str, **bounds: int) -> list[Path]:
    monkeypatch.setattr("sys.argv", ["command", *words])
    return paths_given("command OUT", **bounds)


def test_words_are_paths(monkeypatch):
    assert given(monkeypatch, "out", "a.ipynb") == [Path("out"), Path("a.ipynb")]
    assert given(monkeypatch, "out", at_most=1) == [Path("out")]


@pytest.mark.parametrize("words", [(), ("out", "more"), ("--force", "out"), ("--verbose",)])
def test_what_cannot_be_meant_ends_with_the_usage(monkeypatch, capsys, words):
    with pytest.raises(SystemExit) as end:
        given(monkeypatch, *words, at_most=1)
    assert end.value.code == 2 and "usage: command OUT" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_a_question_is_answered_and_is_no_folder(monkeypatch, capsys, word):
    with pytest.raises(SystemExit) as end:
        given(monkeypatch, word)
    assert end.value.code == 0 and capsys.readouterr().out == "usage: command OUT\n"
