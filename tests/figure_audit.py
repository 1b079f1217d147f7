"""What is wrong with the colours of a Matplotlib figure, for those who see them badly, and the arithmetic of colours.

Thresholds are those of WCAG 2.2 (success criteria 1.4.3 and 1.4.11): words 4.5:1 against what is behind them, or 3:1 from 18
points, or 14 bold; lines, marks and areas 3:1 against the paper. Colours are blended with the paper by their opacity.
Exempt is what is read as a density and not one by one: clouds and bundles of more than ten translucent marks or lines.
Over a map no colour stands out everywhere, so there a mark must stand out from its own rim.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.container import ErrorbarContainer
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text

WORDS, LARGE_WORDS, GRAPHICS = 4.5, 3.0, 3.0
ROUNDING = 0.005  # contrast ratios are stated with two decimals
DENSITY = 10  # from more translucent marks than these, a cloud is read and not its marks
THICKER = 1.5  # lines whose widths differ by this factor are told apart by it
PAPER = (1.0, 1.0, 1.0)

SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
# G. Machado, M. Oliveira, L. Fernandes, IEEE Trans. Vis. Comput. Graph. 15(6), 2009, severity 1.0; for linear RGB
VISION = {
    "ordinary": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: Any) -> np.ndarray:
    """Linear RGB of sRGB colours [..., 3] between 0 and 1."""
    rgb = np.asarray(to_rgb(colour) if isinstance(colour, str) else colour, dtype=float)[..., :3]
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(colour: Any, behind: Any) -> Any:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""
    first, second = linear(colour) @ SRGB_TO_XYZ[1], linear(behind) @ SRGB_TO_XYZ[1]
    return (np.maximum(first, second) + 0.05) / (np.minimum(first, second) + 0.05)


def over(colour: Any, behind: Any = PAPER) -> np.ndarray:
    """A colour with opacity, laid over another."""
    *rgb, opacity = to_rgba(colour)
    return opacity * np.array(rgb) + (1 - opacity) * np.asarray(behind)[..., :3]


def seen(colour: str, vision: str) -> np.ndarray:
    """CIELAB (D65) of a colour as someone with that vision sees it."""
    xyz = SRGB_TO_XYZ @ np.clip(np.asarray(VISION[vision]) @ linear(colour), 0, 1) / SRGB_TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """CIEDE2000 (Sharma, Wu, Dalal, Color Res. Appl. 30, 2005) between two colours in CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = first, second
    mean_c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_c**7 / (mean_c**7 + 25.0**7))
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, c, h = (l1 + l2) / 2, (c1 + c2) / 2, (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    t = 1 - 0.17 * cosd(h - 30) + 0.24 * cosd(2 * h) + 0.32 * cosd(3 * h + 6) - 0.20 * cosd(4 * h - 63)
    sl, sc, sh = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2), 1 + 0.045 * c, 1 + 0.015 * c * t
    bend = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    return float(np.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + bend * (dc / sc) * (dh / sh)))


def cosd(degrees: float) -> float:
    return np.cos(np.radians(degrees))


def faults(figure: Figure) -> list[str]:
    """A sentence for everything in the figure that somebody may not see, or not tell from its neighbour."""
    found = list(pale_words(figure))
    for ax in figure.axes:
        found += [*pale_graphics(ax), *colour_alone(ax)]
    return sorted(set(found))


def pale_words(figure: Figure) -> Iterator[str]:
    """Each text against the median of the pixels behind it, or against its own outline."""
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    figure.set_dpi(60)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes, opacities = [text.get_window_extent() for text in texts], [text.get_alpha() for text in texts]
    for text in texts:
        text.set_alpha(0)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255
    for text, box, opacity in zip(texts, boxes, opacities, strict=True):
        text.set_alpha(opacity)
        (x0, y0), (x1, y1) = np.maximum(box.min, 0).astype(int), np.ceil(np.maximum(box.max, 0)).astype(int)
        behind = pixels[y0 : y1 + 1, x0 : x1 + 1].reshape(-1, 3)
        if not len(behind):  # off the figure
            continue
        if text.get_path_effects():
            behind = outline(text)[None]
        ratio = np.median(contrast(over(to_rgba(text.get_color(), opacity), behind), behind))
        points = text.get_fontsize()
        large = points >= 18 or (points >= 14 and text.get_fontweight() in ("bold", 700))
        if ratio < (LARGE_WORDS if large else WORDS) - ROUNDING:
            yield f"the words {text.get_text()!r} have a contrast of {ratio:.2f}"


def outline(text: Text) -> np.ndarray:
    return np.array(to_rgb(next(effect._gc["foreground"] for effect in text.get_path_effects())))


def has_map(ax: Axes) -> bool:
    filled = any(isinstance(child, ContourSet) and child.filled for child in ax.collections)
    return bool(ax.images) or filled or any(isinstance(child, QuadMesh) for child in ax.collections)


def pale_graphics(ax: Axes) -> Iterator[str]:
    """Lines, marks and areas that do not stand out from the paper, or over a map from their rim."""
    on_map = has_map(ax)
    bundle = len(ax.lines) > DENSITY
    for artist in [*ax.lines, *ax.collections, *ax.patches]:
        colours = [np.asarray(colour) for colour in colours_of(artist)]
        if not colours or (bundle and isinstance(artist, Line2D) and colours[0][3] < 1) or is_cloud(artist):
            continue
        if is_bounded(artist, ax) or carries_words(artist, ax):
            continue
        if on_map and not isinstance(artist, PathCollection):
            continue
        if on_map and len(colours) > 1 and contrast(over(colours[0]), over(colours[1])) >= GRAPHICS - ROUNDING:
            continue
        best = max(contrast(over(colour), PAPER) for colour in colours)
        if best < GRAPHICS - ROUNDING and not (on_map and len(colours) == 1):
            yield f"{named(artist)} has a contrast of {best:.2f}"


def is_cloud(artist: Any) -> bool:
    if isinstance(artist, LineCollection):
        return len(artist.get_paths()) > DENSITY and (artist.get_alpha() or 1) < 1
    return (
        isinstance(artist, PathCollection) and len(artist.get_offsets()) > DENSITY and artist.get_facecolor()[0, 3] < 1
    )


def is_bounded(artist: Any, ax: Axes) -> bool:
    """Whether lines of the same panel run along the upper and the lower edge of an area."""
    if not isinstance(artist, PolyCollection):
        return False
    if not artist.get_paths():
        return True  # nothing is drawn
    heights = artist.get_paths()[0].vertices[:, 1]
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines if len(line.get_xdata()) > 2]
    ends = (heights.max(), max), (heights.min(), min)
    return all(any(np.isclose(pick(line), end) for line in lines) for end, pick in ends)


def carries_words(artist: Any, ax: Axes) -> bool:
    """Whether it is a strip or a button that its words tell."""
    if not isinstance(artist, Rectangle):
        return False
    box = artist.get_bbox()
    places = [getattr(text, "xy", text.get_position()) for text in ax.texts if text.get_text().strip()]
    return any(box.contains(*place) for place in places)


def is_band(artist: Any, ax: Axes) -> bool:
    """Whether a line of the area's own colour runs inside it, and tells by its look whose band it is."""
    if not isinstance(artist, PolyCollection):
        return False
    points = artist.get_paths()[0].vertices
    (left, low), (right, high) = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    for line in ax.lines:
        x, y = np.asarray(line.get_xydata(), dtype=float).T
        same = np.allclose(to_rgb(line.get_color()), artist.get_facecolor()[0, :3], atol=0.02)
        inside = (left <= x) & (x <= right) & (low <= y) & (y <= high)
        if same and len(x) > 1 and inside.sum() >= np.isfinite(y).sum():
            return True
    return False


def named(artist: Any) -> str:
    label = str(artist.get_label() or "")
    return f"{type(artist).__name__} {label!r}" if label and not label.startswith("_") else type(artist).__name__


def colours_of(artist: Any) -> list:
    """The colours that show a line, a mark or an area: of its face and of its edge. Nothing for what is not drawn."""
    if not artist.get_visible() or isinstance(artist, (QuadMesh, ContourSet)):
        return []
    if isinstance(artist, Line2D):
        own = to_rgba(artist.get_color(), artist.get_alpha())
        if artist.get_linestyle() not in ("None", "none", "", " "):
            return [own]
        if artist.get_marker() in ("None", "none", "", " ", None):
            return []
        return [to_rgba(artist.get_markerfacecolor(), artist.get_alpha()), to_rgba(artist.get_markeredgecolor())]
    edged = np.ravel(artist.get_linewidth())[:1].sum() > 0
    faces, edges = np.atleast_2d(artist.get_facecolor()), np.atleast_2d(artist.get_edgecolor())
    if isinstance(artist, LineCollection):
        return list(edges[:1]) if edges.size else []
    kept = [
        colours[0] for colours, drawn in ((faces, True), (edges, edged)) if colours.size and drawn and colours[0, 3]
    ]
    # what is white without an edge hides what lies below, and is not meant to be seen
    return [] if len(kept) == 1 and np.allclose(over(kept[0]), PAPER) else kept


def colour_alone(ax: Axes) -> Iterator[str]:
    """Pairs in one panel that differ in colour, and in nothing else that can be seen."""
    series = [one for one in described(ax) if len(one["colour"])]
    for first, second in itertools.combinations(series, 2):
        if np.allclose(first["colour"], second["colour"], atol=0.02) or first["kind"] != second["kind"]:
            continue
        thick = max(first["width"], second["width"]) >= THICKER * min(first["width"], second["width"])
        if first["look"] == second["look"] and not thick and not apart(first, second, ax):
            yield f"{first['name']} and {second['name']} differ in nothing but colour"


def described(ax: Axes) -> Iterable[dict[str, Any]]:
    """Kind, colour, look (dash, marker, hatch), width, and rows of each line, cloud of marks and area."""
    caps = [cap for bars in ax.containers if isinstance(bars, ErrorbarContainer) for cap in bars[1]]
    marked = {round(height, 6) for line in ax.lines if line.get_linestyle() == "None" for height in line.get_ydata()}
    for artist in [*ax.lines, *ax.collections, *ax.patches]:
        if artist in caps or is_bounded(artist, ax) or is_band(artist, ax) or is_interval(artist, marked):
            continue
        colours = colours_of(artist)
        one = {
            "name": named(artist),
            "colour": over(colours[0]) if colours else (),
            "width": 1.0,
            "rows": frozenset(),
        }
        one["columns"] = frozenset()
        if isinstance(artist, Line2D):
            dash = "" if artist.get_linestyle() == "None" else tuple(np.ravel(artist._dash_pattern[1] or []).round(1))
            one |= {"kind": "line", "look": (dash, str(artist.get_marker())), "width": artist.get_linewidth()}
            one["rows"] = rows(artist.get_ydata(orig=False))
        elif isinstance(artist, PathCollection):
            hollow = not artist.get_facecolor().size or np.allclose(over(artist.get_facecolor()[0]), PAPER)
            one["colour"] = over(colours[-1]) if colours and hollow else one["colour"]
            look = (artist.get_paths()[0].vertices.round(2).tobytes(), hollow)
            one |= {"kind": "marks", "look": look, "width": float(np.sqrt(np.mean(artist.get_sizes())))}
            one["rows"] = rows(artist.get_offsets()[:, 1])
        elif isinstance(artist, (PolyCollection, Patch)):
            dash = str(artist.get_linestyle()) if isinstance(artist, Patch) else str(artist.get_linestyles())
            # areas of one hue lie one inside the other, darker where they overlap
            one |= {"kind": "area", "look": (artist.get_hatch(), dash), "colour": colours and np.array(colours[0][:3])}
            if isinstance(artist, Rectangle):
                (x, y), w, h = artist.get_xy(), artist.get_width(), artist.get_height()
                one |= {"rows": rows([y + h / 2]), "columns": rows([x + w / 2])}
        else:  # contour lines, error bars: they carry the colour of the line or the map that they belong to
            one["colour"] = ()
        yield one


def rows(heights: Any) -> frozenset:
    return frozenset(np.round(np.asarray(heights, dtype=float)).tolist())


def is_interval(artist: Any, marked: set[float]) -> bool:
    """Whether this is a level bar through a mark, which belongs to the mark."""
    heights = artist.get_ydata() if isinstance(artist, Line2D) else ()
    return len(heights) == 2 and heights[0] == heights[1] and round(float(heights[0]), 6) in marked


def apart(first: dict, second: dict, ax: Axes) -> bool:
    """Whether two series stand in rows or columns of their own that the axis names in words: then their place tells."""
    for side, labels in (("rows", ax.get_yticklabels()), ("columns", ax.get_xticklabels())):
        words = [label for label in labels if any(letter.isalpha() for letter in label.get_text())]
        if len(words) > 1 and len(first[side]) == len(second[side]) == 1 and first[side] != second[side]:
            return True
    return False
