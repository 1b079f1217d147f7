"""The guessing game: which images will BALD ask for?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from bal_scenes.base import Button, Event, Explorer, Play, Preset, Scene, stage
from bal_scenes.layers import numbers, same_length
from bal_scenes.scene import Layer, Panel, bar_axis, images, line, panel, points, rects, scene, text
from bal_utils.acquisition import bald_scores
from bal_utils.checks import check_whole
from bal_utils.data import balanced_start, load_images, standardise
from bal_utils.models import MLP
from bal_utils.plotting import COLOURS
from bal_utils.posteriors.mc_dropout import sample_log_probs
from bal_utils.runtime import stream
from bal_utils.training.fit import FitConfig, fit, initialised

TRAINING = FitConfig(learning_rate=3e-3, epoch_samples=1024, max_epochs=20)
COLUMNS = 5
CARD, IMAGE = 0.92, 0.62  # sides, in a cell of side 1
YOURS = {"colour": COLOURS["you"], "width": 4}
ASKED = {"shape": "circle", "size": 25, "colour": COLOURS["bald"]}
BADGE = {"colour": "#ffffff", "bold": True, "halo": False}
SQUARE_2_5 = np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]]) / 2
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, kw_only=True)
class GuessState:
    """The images chosen so far, in order, and whether the answer is shown: then, how many labels of each are counted. Where
    one only `looks`, as on a stored page, nothing can be clicked."""

    chosen: tuple[int, ...] = ()
    revealed: bool = False
    counted: int = 5
    looks: bool = False


def _number_word(count: int) -> str:
    """A small number as a word."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


@stage
def digits_game() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twenty digits to choose from, what BALD says of each, and the twenty labelled digits that a small network has seen.

    images_N_H_W, scores_N, known_M_H_W: those of the first notebook.
    """
    digits = load_images("digits")
    inputs, labelled = (
        standardise(digits.train_images),
        balanced_start(digits.train_labels, 2, stream(0, "start")).tolist(),
    )
    network = initialised(lambda: MLP(64, 10, hidden=(256, 256)), seed=0)
    fit(network, inputs[labelled], digits.train_labels[labelled], config=TRAINING, seed=0)
    pool = sorted(set(range(len(inputs))) - set(labelled))
    twenty = [pool[place] for place in torch.randperm(len(pool), generator=stream(0, "guess"))[:20].tolist()]
    scores_P = bald_scores(sample_log_probs(network, inputs[pool], 20, generator=stream(0, "masks")))
    scores_N = scores_P[[pool.index(image) for image in twenty]].clamp_min(0)
    ink = digits.train_images[:, 0].numpy() / 255
    return ink[twenty], scores_N.numpy(), ink[labelled]


def _ink(name: str, pixels_N_H_W: Any) -> np.ndarray:
    pixels_N_H_W = numbers(name, pixels_N_H_W, 3)
    low, high = pixels_N_H_W.min(), pixels_N_H_W.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"{name}: expected ink from 0 to 1, got values from {low:g} to {high:g}")
    return pixels_N_H_W


class GuessTheQuery(Explorer):
    """The learner chooses the images whose labels would teach the model most; *Reveal* shows BALD's choice.

    `images_N_H_W` hold ink in [0, 1]; `scores_N` are the BALD scores in nats; `known_M_H_W` are the images whose labels
    the model has seen, to be shown beside them. Without images the game is that of `digits_game`. Nothing of the scores
    is in the scene before *Reveal*. Raises ValueError where sizes do not fit, ink is outside [0, 1], or a score is
    negative or not finite.
    """

    State = GuessState
    hand: ClassVar = "click a picture to choose it, again to let go"
    controls: ClassVar = (Button("reveal", label="Reveal", primary=True),)
    play: ClassVar = Play("counted", label="label", seconds=0.5, auto=True)

    def __init__(
        self,
        images_N_H_W: Any = None,
        scores_N: Any = None,
        *,
        known_M_H_W: Any = None,
        picks: int = 5,
        state: GuessState | None = None,
    ) -> None:
        if images_N_H_W is None:
            images_N_H_W, scores_N, known_M_H_W = digits_game()
        self.images_N_H_W = _ink("images_N_H_W", images_N_H_W)
        self.known_M_H_W = None if known_M_H_W is None else _ink("known_M_H_W", known_M_H_W)
        self.scores_N = numbers("scores_N", scores_N, 1, np.float64)
        same_length(images_N_H_W=self.images_N_H_W, scores_N=self.scores_N)
        if not (np.isfinite(self.scores_N).all() and self.scores_N.min() >= 0):
            raise ValueError(f"scores_N: expected finite scores of at least 0, got {self.scores_N.min():g}")
        if not 0 < picks < len(self.scores_N):
            raise ValueError(f"picks: expected 1 to {len(self.scores_N) - 1}, got {picks}")
        self.picks = picks
        least = np.argsort(self.scores_N, kind="stable")[:picks].tolist()
        answers = {
            "What does BALD ask for?": self.asked,
            "The five that it is surest of: what is left?": least,
            "And the first five?": range(picks),
        }
        self.presets = tuple(
            Preset(words, {"chosen": tuple(chosen), "revealed": True, "counted": picks})
            for words, chosen in answers.items()
        )
        super().__init__(state)

    def moments(self, state: GuessState) -> Sequence[int]:
        """The labels that are counted one by one, once the answer is out."""
        return range(self.picks + 1) if state.revealed else ()

    @property
    def asked(self) -> list[int]:
        """BALD's choice: the images of the highest scores, best first."""
        return np.argsort(-self.scores_N, kind="stable")[: self.picks].tolist()

    def on_click(self, state: GuessState, event: Event) -> GuessState:
        """Chooses an image, or takes it back; the large button of the picture reveals."""
        if event.point is None:
            return state
        if event.point == len(self.scores_N):
            return self.reveal(state)
        if state.revealed:
            raise ValueError("The answer is out. Press Reset to play again.")
        if event.point in state.chosen:
            return replace(state, chosen=tuple(i for i in state.chosen if i != event.point))
        if len(state.chosen) == self.picks:
            raise ValueError(f"You have chosen {_number_word(self.picks)}. Click one of them to take it back.")
        return replace(state, chosen=(*state.chosen, event.point))

    def reveal(self, state: GuessState) -> GuessState:
        """Shows BALD's choice and the score."""
        if missing := self.picks - len(state.chosen):
            raise ValueError(f"Choose {_number_word(missing)} more, then press Reveal.")
        return replace(state, revealed=True, counted=0 if self.plays_by_itself else self.picks)

    def check(self, state: GuessState) -> None:
        """Raises ValueError for images that are not there, chosen twice or too many, or an answer before its time."""
        count, chosen = len(self.scores_N), state.chosen
        if len(set(chosen)) < len(chosen) or len(chosen) > self.picks or not set(chosen) <= set(range(count)):
            raise ValueError(f"chosen: expected up to {self.picks} different numbers below {count}, got {chosen}")
        if state.revealed and len(chosen) < self.picks:
            raise ValueError(f"revealed: expected {self.picks} chosen images first, got {len(chosen)}")
        check_whole("counted", state.counted, at_least=0)

    def compute(self, state: GuessState) -> Scene:
        """The images with frames around the chosen ones; after *Reveal* BALD's ranks, the scores and the totals."""
        right = (self._totals(state), self._key()) if state.revealed else self._waiting(state)
        alt = f"{len(self.scores_N)} small grey images in a grid; {_number_word(len(state.chosen))} of them chosen"
        return scene(self._pictures(state), *right, width=860, height=450, alt=alt, status=self._status(state))

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        index_N = np.arange(len(self.scores_N))
        return index_N % COLUMNS + 0.5, index_N // COLUMNS + 0.5

    def _pictures(self, state: GuessState) -> Panel:
        x_N, y_N = self._places()
        count, rows = len(x_N), int(y_N[-1] + 0.5)
        names = [f"image {i + 1} of {count}" + ", chosen" * (i in state.chosen) for i in range(count)]
        cards = (x_N - CARD / 2, x_N + CARD / 2, y_N - CARD / 2, y_N + CARD / 2)
        layers = [rects(*cards, colour="#ffffff", ids=range(count), names=names)]
        layers.append(images(self.images_N_H_W, x=x_N, y=y_N - 0.1, width=IMAGE, height=IMAGE))
        layers.append(self._frames(range(count), colour="#8a8a8a", width=1))
        layers.append(self._frames(state.chosen, **YOURS))
        words = [f"{score:.2f}" if state.revealed else str(i + 1) for i, score in enumerate(self.scores_N)]
        layers.append(text(x_N, y_N + 0.33, words, colour="black" if state.revealed else "grey", halo=False))
        if state.revealed:
            best = self.asked[: state.counted]
            x, y = x_N[best] + 0.39, y_N[best] - 0.38
            layers += [points(x, y, **ASKED), text(x, y, [str(rank + 1) for rank in range(len(best))], **BADGE)]
        edges = {"x": (0, COLUMNS), "y": (rows, 0), "x_ticks": (), "y_ticks": ()}
        title = f"Which {_number_word(self.picks)} labels would teach the model most?"
        return panel(*layers, **edges, box=(0, 0, 0.62, 1), title=title, equal=True)

    def _frames(self, which: Any, **style: Any) -> Layer:
        x_N, y_N = self._places()
        which = list(which)
        return line(x_N[which, None] + CARD * SQUARE_2_5[0], y_N[which, None] + CARD * SQUARE_2_5[1], **style)

    def _waiting(self, state: GuessState) -> tuple[Panel, ...]:
        """What stands beside the images before *Reveal*: what the model has seen, the places to fill, and a button."""
        if self.known_M_H_W is None:
            return (self._choice(state, (0.62, 0.1, 0.38, 0.8)),)
        return self._seen(), self._choice(state, (0.62, 0.52, 0.38, 0.48))

    def _seen(self) -> Panel:
        count, columns = len(self.known_M_H_W), 7
        places = {"x": np.arange(count) % columns + 0.5, "y": np.arange(count) // columns + 0.5}
        layers = images(self.known_M_H_W, **places, width=0.84, height=0.84)
        edges = {"x": (0, columns), "y": (-(-count // columns), 0), "x_ticks": (), "y_ticks": ()}
        return panel(layers, **edges, box=(0.62, 0, 0.38, 0.5), title="The model knows these labels", equal=True)

    def _choice(self, state: GuessState, box: tuple[float, ...]) -> Panel:
        """The chosen images in order, and a large button that lights up when all are chosen."""
        places = np.arange(self.picks) + 0.5
        chosen, ready = list(state.chosen), len(state.chosen) == self.picks
        here = np.arange(len(chosen)) + 0.5
        frames = line(places[:, None] + 0.84 * SQUARE_2_5[0], 0.5 + 0.84 * np.tile(SQUARE_2_5[1], (self.picks, 1)),
                      colour="grey", width=1)  # fmt: skip
        layers = [frames]
        if chosen:
            layers.append(images(self.images_N_H_W[chosen], x=here, y=np.full(len(here), 0.5), width=0.7, height=0.7))
        button = {"ids": [len(self.scores_N)], "names": ["Reveal" if ready else "Reveal, when all are chosen"]}
        wide = (0.08, self.picks - 0.08)
        layers.append(
            rects([wide[0]], [wide[1]], [1.25], [1.95], colour=COLOURS["bald"] if ready else "#e3e8ee", **button)
        )
        missing = self.picks - len(chosen)
        first = "choose with your eyes" if state.looks else "click a picture to choose it"
        words = "Reveal" if ready else f"choose {_number_word(missing)} more" if chosen else first
        style = {"colour": "#ffffff", "bold": True, "size": 18} if ready else {"colour": "black"}
        layers.append(text([self.picks / 2], [1.6], words, halo=False, **style))
        edges = {"x": (0, self.picks), "y": (2, 0), "x_ticks": (), "y_ticks": ()}
        return panel(*layers, **edges, box=box, title=f"Your {_number_word(self.picks)}", equal=True)

    def _pieces(self, state: GuessState) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Information in each label of BALD's choice, of the learner's, and of a random one on average, best first."""
        scores_N = self.scores_N
        yours = np.sort(scores_N[list(state.chosen)])[::-1]
        return scores_N[self.asked], yours, np.full(self.picks, scores_N.mean())

    def _totals(self, state: GuessState) -> Panel:
        """A bar each for BALD, the learner and chance, built from one piece a label, as far as they are counted."""
        pieces = self._pieces(state)
        most = max(values.sum() for values in pieces)
        layers, sums = [], []
        for place, (owner, whole) in enumerate(zip(("bald", "you", "random"), pieces, strict=True)):
            values = whole[: state.counted]
            ends, across = values.cumsum(), np.full(len(values), float(place))
            sums.append(values.sum())
            layers.append(rects(ends - values, ends, across - 0.3, across + 0.3, colour=COLOURS[owner]))
            edges = ends[:-1, None].repeat(2, axis=1)
            if len(edges):
                layers.append(line(edges, [[place - 0.3, place + 0.3]] * len(edges), colour="#ffffff", width=1.5))
        words = [f"{total:.2f}" for total in sums]
        layers.append(text(np.array(sums), np.arange(3), words, align="left", offset=(6, 0), bold=True))
        axes = bar_axis(["BALD", "you", "random"]) | {"x": (0, 1.3 * max(most, 1e-9)), "x_label": "information (nats)"}
        return panel(*layers, **axes, box=(0.62, 0, 0.38, 0.7), title=f"In {_number_word(self.picks)} labels")

    def _key(self) -> Panel:
        layers = line([], [], label="your choice", **YOURS), points([], [], label="BALD's choice, by rank", **ASKED)
        return panel(*layers, box=(0.62, 0.7, 0.38, 0.3), x_ticks=(), y_ticks=(), legend="top left")

    def _status(self, state: GuessState) -> str:
        if state.looks and not state.revealed:
            five = _number_word(self.picks)
            return f"Choose {five} with your eyes, then press the first question: it shows which {five} BALD asks for."
        if not state.revealed:
            return f"You have chosen {_number_word(len(state.chosen))} of {_number_word(self.picks)}."
        best, yours, random = (values[: state.counted].sum() for values in self._pieces(state))
        if state.counted < self.picks:
            counted = _number_word(state.counted)
            return f"Labels counted: {counted}. BALD has {best:.2f} nats, you {yours:.2f}, chance {random:.2f}."
        five, common = _number_word(self.picks), len(set(state.chosen) & set(self.asked))
        share = f", {100 * yours / best:.0f} % of BALD's {best:.2f}" if best > 0 else ""
        return (
            f"{_number_word(common).capitalize()} of your {five} {'is' if common == 1 else 'are'} among BALD's. "
            f"Your labels carry {yours:.2f} nats{share}; {five} random ones carry {random:.2f} on average."
        )
