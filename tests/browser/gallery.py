"""Every explorer of the course in one notebook: one page and one kernel for all their tests."""

from itertools import pairwise, repeat
from pathlib import Path

from browser_lab import ExplorerOnPage, Lab
from every_explorer import explorer_kinds

TESTS = Path(__file__).parents[1]
LABELS = "labels"  # the folder beside the notebook in which BeTheOracle writes
CELL = f"""
import sys
from IPython.display import display

sys.path.insert(0, {str(TESTS)!r})
from every_explorer import MADE, explorer_kinds, made

MADE["BeTheOracle"] = lambda kind: kind(folder={LABELS!r})
for name in explorer_kinds():
    display(made(name))
"""
ALL_DRAWN = """() => {
  const [all, drawn] = ['.bal-explorer', '[data-drawn]'].map((found) => document.querySelectorAll(found).length);
  return all && all === drawn;
}"""
SHOWN = """() => [...document.querySelectorAll('.bal-explorer')].map((box) =>
  [box.querySelector('.bal-status').innerText.trim(), box.querySelector('canvas.bal-picture').toDataURL()])"""


class Gallery:
    """The notebook of all explorers, run, and the explorers in it."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.names = lab, list(explorer_kinds())
        self.notebook = lab.run_cells("gallery", CELL)
        self.page = self.notebook.page
        self.page.wait_for_function(ALL_DRAWN, timeout=120_000)
        self.first = dict(zip(self.names, self._at_rest(), strict=True))  # each one's sentence and picture at its start

    def _at_rest(self) -> list[tuple[str, str]]:
        """What the explorers show once the controls have found their places and sizes change no more."""

        def look(_: None) -> list[tuple[str, str]]:
            self.page.wait_for_timeout(1_000)
            return [tuple(shown) for shown in self.page.evaluate(SHOWN)]

        return next(shown for before, shown in pairwise(map(look, repeat(None, 60))) if shown == before)

    def explorer(self, name: str) -> ExplorerOnPage:
        """The explorer of this class, as it is, the pointer away from it."""
        self.page.mouse.move(2, 2)  # over the picture it would change it
        return self.notebook.explorer(self.names.index(name))

    def restart(self, name: str, words: str) -> ExplorerOnPage:
        """The explorer of this class at its first state, in which the status line holds these words."""
        explorer = self.explorer(name)
        explorer.press_button("Reset")
        explorer.wait_until(lambda: (explorer.status(), explorer.pixels()) == self.first[name])
        assert words in explorer.status()
        return explorer

    def check(self, explorer: ExplorerOnPage) -> None:
        """No cell, no display of a value and no action of this explorer has crashed."""
        assert self.notebook.errors() == []
        assert "This did not work" not in explorer.status()
