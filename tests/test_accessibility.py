"""For all eyes and hands: contrast, colour blindness, nothing by colour alone, words of a readable size, texts for pictures.

`figure_audit` says what is measured and where the thresholds come from; conftest.py holds it against every figure that the
tests of the plotting helpers draw. Keys, names and focus are tested in a browser, in browser/test_accessibility.py.
"""

import itertools
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from every_explorer import explorer_kinds, made
from figure_audit import GRAPHICS, VISION, WORDS, contrast, difference, faults, outline, over, seen
from matplotlib.figure import Figure

from bal_scenes import layers, static
from bal_utils import plotting
from bal_utils.plotting import CLASS_COLOURS, CLASS_MARKERS, DASHES, PALETTE

ROOT = Path(__file__).parent.parent
BROWSER_FILES = ROOT / "bal_scenes" / "browser"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FOR_WORDS = {"blue", "vermillion", "green", "grey", "black"}
FAR = 12.0  # CIEDE2000, of which 1 is just seen; Okabe and Ito's colours with our grey come to 9.0
SMALLEST = 14  # pixels: what can be read from the back of a lecture room


def hexes(text):
    return [f"#{code}" if len(code) == 6 else "#" + "".join(2 * c for c in code) for code in text]


# The arithmetic, against published numbers


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21) and contrast("#123456", "#123456") == 1
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the grey that just fails
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # and the first that passes
    np.testing.assert_allclose(over((0, 0, 0, 0.25)), 0.75)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
        ((50, 0, 0), (50, -1, 2), 2.3669),
    ],
)
def test_differences_are_those_of_the_paper_on_ciede2000(first, second, expected):
    assert difference(np.array(first), np.array(second)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("vision", VISION)
def test_greys_look_alike_to_everyone(vision):
    np.testing.assert_allclose(np.sum(VISION[vision], axis=1), 1, atol=2e-6)
    light, a, b = seen("#808080", vision)
    assert light == pytest.approx(53.585, abs=0.01) and abs(a) < 0.02 and abs(b) < 0.02


def test_who_cannot_tell_red_from_green_is_simulated():
    """Red and green of equal lightness are far apart for ordinary eyes, near for protan and deutan ones, not for tritan."""
    apart = {vision: difference(seen("#b05a5a", vision), seen("#5a8250", vision)) for vision in VISION}
    assert max(apart["protan"], apart["deutan"]) < 0.5 * min(apart["ordinary"], apart["tritan"])


# The palette and the style


@pytest.mark.parametrize("name", PALETTE)
def test_a_colour_of_the_palette_stands_out_from_paper(name):
    assert contrast(PALETTE[name], "#ffffff") >= (WORDS if name in FOR_WORDS else GRAPHICS)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_are_far_apart(vision):
    for first, second in itertools.combinations(PALETTE, 2):
        assert difference(seen(PALETTE[first], vision), seen(PALETTE[second], vision)) >= FAR, (first, second)


def test_a_series_has_a_dash_and_a_marker_besides_its_colour():
    assert len(set(CLASS_COLOURS)) == len(set(CLASS_MARKERS)) == len({str(dash) for dash in DASHES}) == 6


@pytest.mark.parametrize("kind", [plotting.STRATEGIES, plotting.POSTERIORS], ids=["strategies", "posteriors"])
def test_strategies_and_posteriors_are_told_apart_without_colour(kind):
    """No two have both dash and marker in common, and two of one colour have neither: a line shows one, a mark the other."""
    for first, second in itertools.combinations(kind.values(), 2):
        assert first.colour != second.colour or (first.dash != second.dash and first.marker != second.marker)
    assert len({(str(look.dash), look.marker) for look in kind.values()}) == len(kind)
    assert {look.colour for look in kind.values()} <= set(PALETTE.values())
    assert {look.marker for look in kind.values()} <= set(CLASS_MARKERS)


@pytest.mark.parametrize(
    "names",
    [
        ("random", "margin", "entropy", "bald", "batchbald", "power_bald"),
        ("random", "bald", "variation_ratio", "entropy", "mean_std"),
        ("deterministic", "mc_dropout", "ensemble", "bayes_by_backprop", "laplace_last", "nuts"),
    ],
)
def test_those_of_one_race_differ_in_colour_in_dash_and_in_marker(names):
    looks = [plotting.LOOKS[name] for name in names]
    for part in ("colour", "dash", "marker"):
        assert len({str(getattr(look, part)) for look in looks}) == len(names), part


@pytest.mark.parametrize("colour", [*PALETTE.values()])
def test_words_in_the_colour_of_a_line_can_be_read(colour):
    assert contrast(plotting.for_words(colour), "#ffffff") >= WORDS


def test_the_style_writes_dark_on_white():
    with plt.rc_context():
        plotting.use_style()
        for key in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"):
            for paper in ("figure.facecolor", "axes.facecolor"):
                assert contrast(plt.rcParams[key], plt.rcParams[paper]) >= WORDS


def test_letters_of_figures_have_eleven_points_or_more():
    assert min(plotting.STYLE[key] for key in ("font.size", "axes.titlesize", "legend.fontsize")) >= 11
    for path in [ROOT / "bal_utils" / "plotting.py", *(ROOT / "bal_course" / "figures").glob("*.py")]:
        assert all(int(size) >= 11 for size in re.findall(r"\bfontsize=(\d+)", path.read_text())), path.name


def test_the_heat_map_rises_in_lightness_for_everyone():
    """So that a map can be read without telling its hues apart, and in print."""
    colours = plt.colormaps[plotting.HEAT_MAP](np.linspace(0, 1, 17))
    for vision in VISION:
        light = [seen(plt.matplotlib.colors.to_hex(colour), vision)[0] for colour in colours]
        assert np.all(np.diff(light) > 0)


# The audit finds what is planted


def planted(draw):
    figure = Figure()
    draw(figure.subplots())
    return " ".join(faults(figure))


def two_lines(ax, **more):
    ax.plot([0, 1, 2], [0, 1, 0], color=PALETTE["blue"])
    ax.plot([0, 1, 2], [1, 0, 1], color=PALETTE["vermillion"], **more)


def two_bands(ax, *dashes):
    for height, colour, dash in zip((0, 1), CLASS_COLOURS, dashes, strict=False):
        ax.plot([0, 1, 2], [height + 1, height + 2, height + 1], color=colour, linestyle=dash)
        ax.fill_between(
            [0, 1, 2], [height, height, height], [height + 2, height + 3, height + 3], **plotting.shade(colour, 0.2)
        )


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (two_lines, "nothing but colour"),
        (lambda ax: two_lines(ax, linestyle="--"), ""),
        (lambda ax: two_lines(ax, marker="s"), ""),
        (lambda ax: two_lines(ax, linewidth=4), ""),
        (lambda ax: ax.plot([0, 1, 2], [0, 1, 0], color="#E69F00"), "contrast of 2.25"),
        (lambda ax: ax.plot([0, 1, 2], [0, 1, 0], color=PALETTE["blue"], alpha=0.3), "contrast of 1.6"),
        (lambda ax: ax.plot([0, 1], np.zeros((2, 12)), color=PALETTE["blue"], alpha=0.3), ""),
        (lambda ax: ax.scatter([0, 1], [0, 1], color="yellow"), "contrast of 1.07"),
        (lambda ax: ax.scatter([0, 1], [0, 1], color="yellow", edgecolor="black"), ""),
        (lambda ax: ax.fill_between([0, 1], 0, 1, color=PALETTE["blue"], alpha=0.2, linewidth=0), "contrast of 1.3"),
        (lambda ax: ax.fill_between([0, 1], 0, 1, **plotting.shade(PALETTE["blue"], 0.2)), ""),
        (lambda ax: two_bands(ax, "-", "--"), ""),
        (lambda ax: two_bands(ax, "-", "-"), "Line2D and Line2D differ in nothing but colour"),
        (
            lambda ax: [
                ax.fill_between([0, 1], y, y + 2, **plotting.shade(c, 0.2)) for y, c in enumerate(CLASS_COLOURS[:2])
            ],
            "FillBetweenPolyCollection differ in nothing but colour",
        ),
        (lambda ax: [ax.bar([x], [1], color=c) for x, c in enumerate(CLASS_COLOURS[:2])], "nothing but colour"),
        (
            lambda ax: [ax.bar([x], [1], color=c, hatch=h) for x, c, h in zip("ab", CLASS_COLOURS, "/x", strict=False)],
            "",
        ),
        (lambda ax: [ax.bar([x], [1], color=c) for x, c in zip("ab", CLASS_COLOURS, strict=False)], ""),
        (lambda ax: ax.text(0.5, 0.5, "pale", color="#999999"), "words 'pale' have a contrast of 2.85"),
        (lambda ax: ax.text(0.5, 0.5, "large", color="#8a8a8a", size=20), ""),
        (
            lambda ax: [ax.imshow(np.zeros((2, 2)), cmap="gray"), ax.text(0.5, 0.5, "dark on dark", color="#333333")],
            "dark",
        ),
        (lambda ax: [ax.imshow(np.zeros((2, 2)), cmap="gray"), ax.text(0.5, 0.5, "white on dark", color="white")], ""),
    ],
)
def test_the_audit_tells_good_from_bad(draw, told):
    found = planted(draw)
    assert told in found if told else found == ""


def test_words_with_an_outline_are_held_against_it():
    ax = Figure().subplots()
    words = ax.text(0, 0, "here")
    plotting.outlined([words], PALETTE["black"])
    np.testing.assert_allclose(outline(words), plt.matplotlib.colors.to_rgb(PALETTE["black"]))


# The explorers


@pytest.mark.parametrize("name", explorer_kinds())
def test_the_picture_of_an_explorer_is_for_all_eyes(name):
    assert faults(made(name).picture()) == []


def layers_of_strategies(scene):
    """Each layer of a scene whose legend names a strategy or posterior, with its key."""
    layers = [layer for panel in scene["panels"] for layer in panel["layers"]]
    return [(key, layer) for layer in layers if (key := plotting.key_of(layer.get("label", ""))) is not None]


@pytest.mark.parametrize("name", explorer_kinds())
def test_strategies_and_posteriors_have_their_colours_in_explorers(name):
    for key, layer in layers_of_strategies(made(name).scene):
        assert layer["colour"] == plotting.COLOURS[key], (key, layer["label"])


def test_explorers_name_strategies_in_their_legends():
    """Otherwise the test above holds for nothing."""
    found = {
        name: {key for key, _ in layers_of_strategies(made(name).scene)}
        for name in ("BestTen", "LabelRace", "TwoMoons")
    }
    assert found == {"BestTen": {"bald", "batchbald"}, "LabelRace": {"you"}, "TwoMoons": {"random"}}


@pytest.mark.parametrize("key", plotting.LOOKS)
def test_the_canvas_can_draw_every_look(key):
    look = plotting.LOOKS[key]
    line, mark = layers.line_style(look), layers.mark_style(look)
    assert line["colour"] == mark["colour"] == look.colour and line["dash"] in layers.DASHES
    assert layers.SHAPES[mark["shape"]] == look.marker


@pytest.mark.parametrize("name", explorer_kinds())
def test_a_picture_that_takes_clicks_has_something_for_the_arrow_keys(name):
    explorer = made(name)
    if any(hasattr(explorer, handler) for handler in ("on_click", "on_drag")):
        panels = explorer.scene["panels"]
        assert any(panel["click_anywhere"] or any(layer.get("ids") for layer in panel["layers"]) for panel in panels)
    for control in explorer.controls:
        assert control.label.strip()


def test_words_on_the_canvas_are_not_small():
    scripts = list(BROWSER_FILES.glob("*.js"))
    assert scripts
    for path in scripts:
        assert all(int(size) >= SMALLEST for size in re.findall(r"font\(context, (\d+)", path.read_text())), path.name
    sizes = re.findall(r"font(?:-size)?: (\d+)px", (BROWSER_FILES / "canvas.css").read_text())
    assert sizes and all(int(size) >= SMALLEST for size in sizes)


def test_words_and_frames_of_the_canvas_stand_out():
    script = (BROWSER_FILES / "layers.js").read_text()
    ink, soft, frame, paper = re.search(
        r'INK = "(.*?)", SOFT = "(.*?)", FRAME = "(.*?)", PAPER = "(.*?)"', script
    ).groups()
    assert (ink, soft, frame) == (static.INK, static.SOFT, static.FRAME)
    assert min(contrast(ink, paper), contrast(soft, paper)) >= WORDS and contrast(frame, paper) >= GRAPHICS


def test_words_of_the_style_sheet_stand_out():
    """Colours for words against the background of their own rule, or where it has none, against every light one."""
    sheet = (BROWSER_FILES / "canvas.css").read_text()
    rules = [
        (hexes(re.findall(r"[^-]color: #(\w+)", rule)), hexes(re.findall(r"background: #(\w+)", rule)))
        for rule in re.findall(r"\{([^{}]*)\}", sheet)
    ]
    light = [paper for _, papers in rules for paper in papers if contrast(paper, "#000000") > 15]
    met = [(word, paper) for words, papers in rules for word in words for paper in papers or light]
    assert len(light) >= 3 and len(met) >= 4
    assert min(contrast(*pair) for pair in met) >= WORDS
    assert (
        min(contrast(edge, "#ffffff") for edge in hexes(re.findall(r"outline: \dpx solid #(\w+)", sheet))) >= GRAPHICS
    )


# The notebooks


def pictures(path):
    """The text of each picture of a notebook, and the source of the cell that shows it."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                yield output.metadata["image/png"]["alt"], cell.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_text_of_a_picture_says_what_is_seen(path):
    found = list(pictures(path))
    for alt, source in found:
        assert not re.match(r"(an?|the)? ?(figure|image|picture|plot|graph) (of|show)", alt.lower()), alt
        assert re.match(r"[A-Z0-9]|\w\(", alt), alt  # a formula such as p(ill) may come first
        assert alt.strip(". ") not in {title.strip(". ") for title in re.findall(r"title\W+([^\"]+)\"", source)}
    assert len({alt for alt, _ in found}) == len(found), "two pictures have the same text"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_say_where_they_lead(path):
    prose = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    links = re.findall(r"(?<!!)\[([^\]]+)\]\([^)]+\)", re.sub(r"\$.*?\$", "", prose, flags=re.DOTALL))
    assert not {link.lower() for link in links} & {"here", "link", "this", "click here", "more"}
