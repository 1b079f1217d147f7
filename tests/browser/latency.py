"""Measures how long explorers take from a key press to changed pixels.

python tests/browser/latency.py [NOTEBOOK... [--explorer 0] [--slider 0 | --picture | --button Step]] [--presses 20]
                                [--max-median 50]

Without a notebook: the explorers of ANSWERS, a static page and the playground, one line each. With some: a copy of each is
run from top to bottom in JupyterLab. When its kernel has nothing more to do, a slider of the explorer gets the focus (or its
picture, whose marks Shift and an arrow drag) and arrow keys are pressed, or a button is. Prints median and 90th percentile in
milliseconds, and how many processes wanted the processors meanwhile. Files beside a notebook are not copied: an explorer
needs only the course's packages and the stored figures.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from browser_lab import ExplorerOnPage, Lab, open_browser, running_lab

# class and slider, None for the picture's marks; the target is 50 ms on a machine that does nothing else
ANSWERS = (("Regression", 0), ("Regression", 1), ("TheStar", 0), ("TwoMoons", 0), ("FitQ", None))

# The clock starts at the key event in the page. It stops when a new picture has been rasterised, which reading one pixel
# forces; the checksum that proves that pixels differ is taken afterwards, because reading them all takes milliseconds.
WATCH = """canvas => {
  const context = canvas.getContext("2d");
  const sum = () => {
    const words = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return words.reduce((total, word) => (total * 31 + word) | 0, 0);
  };
  const watch = window.watch = { before: sum(), pressed: null, took: null };
  let drawn = canvas.dataset.drawn;
  const start = () => { watch.pressed = performance.now(); watch.took = null; };
  for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, start, true);
  const look = () => {
    requestAnimationFrame(() => setTimeout(look, 0));
    if (canvas.dataset.drawn === drawn) return;
    drawn = canvas.dataset.drawn;
    context.getImageData(0, 0, 1, 1);
    const now = performance.now(), after = sum();
    if (watch.pressed !== null && after !== watch.before) [watch.took, watch.pressed] = [now - watch.pressed, null];
    watch.before = after;
  };
  look();
}"""

# The race that plays on arrival, at the higher speed: 24 rounds in which two lanes train, and the frames drawn meanwhile.
RACE = """async () => {
  const { dataset } = document.querySelector("main"), shown = (round) => dataset.shown === String(round);
  const until = async (round) => { while (!shown(round)) await new Promise((done) => setTimeout(done, 5)); };
  document.getElementById("fast").click();
  await until(0);
  const start = performance.now();
  let frames = 0;
  const count = () => { frames++; if (!shown(24)) requestAnimationFrame(count); };
  requestAnimationFrame(count);
  await until(24);
  const seconds = (performance.now() - start) / 1000;
  return [24 / seconds, frames / seconds];
}"""

MOVE = """async () => {
  const input = document.getElementById("field-pitch"), canvas = document.querySelector("canvas"), took = [];
  for (let i = 0; i < 24; i++) {
    const start = performance.now(), drawn = canvas.dataset.drawn;
    input.value = i % 4;
    input.dispatchEvent(new Event("input"));
    while (canvas.dataset.drawn === drawn) await new Promise(requestAnimationFrame);
    await createImageBitmap(canvas, 0, 0, 1, 1);  // waits until the picture has been painted
    took.push(performance.now() - start);
  }
  return took;
}"""


def key_to_pixels(explorer: ExplorerOnPage, *, slider: int | None = 0, presses: int = 20) -> list[float]:
    """Milliseconds from each of `presses` key presses to the first changed picture; without a slider its marks are dragged."""
    page = explorer.page
    explorer.canvas.evaluate(WATCH)
    if slider is None:
        explorer.canvas.focus()
    else:
        explorer.slider(slider)
    keys = ["ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"] * (presses // 4 + 1)
    hold = "Shift+" if slider is None else ""
    found = []
    for key in ["ArrowRight", "ArrowLeft", *keys[:presses]]:  # the first two warm caches and compilers up
        page.wait_for_timeout(150)
        page.keyboard.press(hold + key)
        page.wait_for_function("() => window.watch.took !== null", timeout=10_000)
        found.append(page.evaluate("() => window.watch.took"))
    return found[2:]


def button_to_pixels(explorer: ExplorerOnPage, words: str, *, presses: int = 20) -> list[float]:
    """Milliseconds from each press of a button to the first changed picture; the first two warm caches up."""
    page, found = explorer.page, []
    explorer.canvas.evaluate(WATCH)
    for _ in range(presses + 2):
        page.wait_for_timeout(300)
        explorer.press_button(words)
        page.wait_for_function("() => window.watch.took !== null", timeout=60_000)
        found.append(page.evaluate("() => window.watch.took"))
    return found[2:]


def summary(times: list[float]) -> tuple[float, float]:
    """Median and 90th percentile."""
    return statistics.median(times), statistics.quantiles(times, n=10, method="inclusive")[-1]


def main() -> int:
    """Measures; the exit status is 1 where a median exceeds `--max-median`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", type=Path, nargs="*", metavar="NOTEBOOK")
    parser.add_argument("--explorer", type=int, default=0, help="which explorer of the notebook, from 0")
    parser.add_argument("--slider", type=int, default=0, help="which slider of the explorer, from 0")
    parser.add_argument("--picture", action="store_true", help="drag the picture's marks by keys instead")
    parser.add_argument("--button", help="press the button with these words instead")
    parser.add_argument("--presses", type=int, default=20)
    parser.add_argument("--max-median", type=float, default=None, help="milliseconds")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_browser() as browser,
        running_lab(browser, Path(scratch)) as lab,
    ):
        medians = []
        for name, explorer, slider in explorers(lab, arguments):
            if arguments.button:
                times = button_to_pixels(explorer, arguments.button, presses=arguments.presses)
            else:
                times = key_to_pixels(explorer, slider=slider, presses=arguments.presses)
            medians.append(tell(name, times))
        if not arguments.notebooks:
            medians.append(tell("a page without Python", moves_of_a_page(lab, Path(scratch))))
            rounds, frames = race_of_the_playground(lab, Path(scratch))
            told = f"{rounds:.1f} rounds and {frames:.0f} frames a second"
            sys.stdout.write(f"the playground, from 6 to 30 labels: {told}, load {os.getloadavg()[0]:.1f}\n")
    return int(arguments.max_median is not None and max(medians) > arguments.max_median)


def explorers(lab: Lab, arguments: argparse.Namespace) -> Iterator[tuple[str, ExplorerOnPage, int | None]]:
    """What is to be measured: a name, the explorer in its page, and the slider."""
    if not arguments.notebooks:
        sys.path.insert(0, str(Path(__file__).parents[1]))  # the folder of `every_explorer`
        from gallery import Gallery

        gallery = Gallery(lab)
        for name, slider in ANSWERS:
            yield f"{name}, {'marks' if slider is None else f'slider {slider}'}", gallery.explorer(name), slider
    for path in arguments.notebooks:
        notebook = lab.open(lab.copy(path))
        notebook.run_all(seconds=1800)
        explorer = notebook.explorer(arguments.explorer)
        notebook.wait_for_kernel()
        yield path.stem, explorer, None if arguments.picture else arguments.slider
        notebook.page.close()


def moves_of_a_page(lab: Lab, folder: Path) -> list[float]:
    """Milliseconds from each move of a slider of a static page to its picture."""
    from page_lab import Wave

    from bal_scenes.page import write_page

    path = write_page(Wave(), folder / "wave.html", fields={"pitch": [0.5, 1, 2, 3]}, title="Waves")
    page = lab.browser.new_page()
    page.goto(path.as_uri())
    page.locator("[data-drawn]").wait_for()
    return page.evaluate(MOVE)


def race_of_the_playground(lab: Lab, folder: Path) -> tuple[float, float]:
    """Rounds and frames a second of the playground's race, without a network."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from publishing import playground

    path = folder / "playground.html"
    path.write_text(playground.page(), encoding="utf-8")
    page = lab.browser.new_page(viewport={"width": 1280, "height": 800})
    page.context.set_offline(True)
    page.goto(path.as_uri())
    return tuple(page.evaluate(RACE))


def tell(name: str, times: list[float]) -> float:
    """Prints a line and gives the median."""
    median, p90 = summary(times)
    sys.stdout.write(f"{name}: median {median:.0f} ms, p90 {p90:.0f} ms, load {os.getloadavg()[0]:.1f}\n")
    return median


if __name__ == "__main__":
    sys.exit(main())
