"""A scene as a Matplotlib figure that looks like the canvas: the still picture before a widget, and for printed pages."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from bal_scenes.layers import SHAPES, Layer
from bal_scenes.scene import Panel, Scene, area_of
from bal_utils.plotting import in_few_colours, shade

DPI = 100
POINT = 72 / DPI  # points in a pixel
INK, SOFT, FRAME = "#222222", "#555555", "#8a8a8a"
DASH = {"solid": "-", "dashed": (0, (4, 2.5)), "dotted": (0, (1, 2))}
PALE = 0.5  # areas of less opacity have an edge
TOP = 1000  # above every layer
RIM = 3  # pixels of white around a line, half on each side
HALO = [withStroke(linewidth=4 * POINT, foreground="white", alpha=0.88)]
RIMMED = [withStroke(linewidth=6 * POINT, foreground="white")]


def _heat(ax: Axes, layer: Layer, zorder: float) -> None:
    values_R_C = layer["values"].reshape(layer["rows"], layer["columns"])
    ax.imshow(
        values_R_C,
        extent=(*layer["x"], *layer["y"]),
        origin="lower",
        vmin=layer["low"],
        vmax=layer["high"],
        cmap=layer["colours"],
        alpha=layer["opacity"],
        interpolation="bilinear" if layer["smooth"] else "nearest",
        aspect="auto",
        zorder=zorder,
    )


def _images(ax: Axes, layer: Layer, zorder: float) -> None:
    pixels_N_H_W = layer["pixels"].reshape(-1, layer["rows"], layer["columns"])
    up, across = np.sign(ax.get_ylim()[1] - ax.get_ylim()[0]) / 2, np.sign(ax.get_xlim()[1] - ax.get_xlim()[0]) / 2
    for pixels_H_W, x, y, opacity in zip(pixels_N_H_W, layer["x"], layer["y"], layer["opacity"], strict=True):
        w, h = across * layer["width"], up * layer["height"]
        style = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest", "aspect": "auto", "zorder": zorder}
        ax.imshow(pixels_H_W, extent=(x - w, x + w, y - h, y + h), alpha=float(opacity), **style)


def _line(ax: Axes, layer: Layer, zorder: float) -> None:
    points_P_2 = np.stack([layer["x"], layer["y"]], axis=1)
    breaks = np.flatnonzero(np.isnan(points_P_2).any(axis=1))
    pieces = [piece[~np.isnan(piece).any(axis=1)] for piece in np.split(points_P_2, breaks)]
    style = {"colors": layer["colour"], "linewidths": layer["width"] * POINT, "linestyles": [DASH[layer["dash"]]]}
    halo = [withStroke(linewidth=(layer["width"] + RIM) * POINT, foreground="white")] if layer["halo"] else None
    lines = LineCollection(pieces, alpha=layer["opacity"], zorder=zorder, path_effects=halo, **style)
    ax.add_collection(lines, autolim=False)


def _band(ax: Axes, layer: Layer, zorder: float) -> None:
    style = shade(layer["colour"], layer["opacity"], DASH[layer["dash"]]) | {"linewidth": POINT, "zorder": zorder}
    ax.fill_between(layer["x"], layer["low"], layer["high"], **style)


def _mark_style(layer: Layer) -> dict[str, Any]:
    colour = layer["colour"]
    if layer["shape"] == "cross":
        return {"marker": "x", "color": colour, "linewidths": 3 * POINT}
    face = "none" if layer["shape"] == "ring" else colour if layer["filled"] else "white"
    edge = "white" if face == colour else colour
    width = {"none": 3}.get(face, 1.5 if face == colour else 2) * POINT
    return {"marker": SHAPES[layer["shape"]], "facecolors": face, "edgecolors": edge, "linewidths": width}


def _points(ax: Axes, layer: Layer, zorder: float) -> None:
    grown = 1.25 if layer["shape"] == "star" else 1.0
    style = {"s": (layer["size"] * grown * POINT) ** 2, "alpha": layer["opacity"], "clip_on": False, "zorder": zorder}
    (x0, x1), (y0, y1) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    x, y = layer["x"], layer["y"]
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    rim = {"path_effects": RIMMED} if layer["shape"] == "ring" else {}
    ax.scatter(x[inside], y[inside], **_mark_style(layer), **style, **rim)
    for i in np.flatnonzero(inside) if layer["labels"] else ():
        right, down = layer["offsets"][i]
        words = {"colour": layer["colour"], "bold": True, "align": "center", "zorder": zorder}
        _write(ax, layer["labels"][i], (x[i], y[i]), (right * POINT, -down * POINT), **words)


def _write(ax: Axes, words: str, place: Any, offset: Any, *, colour: str, bold: bool, align: str, **more: Any) -> None:
    ax.annotate(
        words,
        place,
        xytext=offset,
        textcoords="offset points",
        color=colour,
        fontsize=more.get("size", 14) * POINT,
        fontweight="bold" if bold else "normal",
        ha=align,
        va="center",
        path_effects=HALO if more.get("halo", True) else None,
        zorder=more["zorder"],
        annotation_clip=False,
    )


def _text(ax: Axes, layer: Layer, zorder: float) -> None:
    offset = [pixels * POINT for pixels in layer["offset"]]
    style = {key: layer[key] for key in ("colour", "bold", "align", "size", "halo")}
    for words, *place in zip(layer["words"], layer["x"], layer["y"], strict=True):
        _write(ax, words, place, offset, zorder=zorder, **style)


def _rects(ax: Axes, layer: Layer, zorder: float) -> None:
    for x0, x1, y0, y1 in zip(layer["x0"], layer["x1"], layer["y0"], layer["y1"], strict=True):
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, zorder=zorder, **_patch_style(layer)))


def _patch_style(layer: Layer) -> dict[str, Any]:
    hatch = 3 * layer.get("hatch", "") or None
    if layer["opacity"] < PALE:
        return shade(layer["colour"], layer["opacity"], DASH[layer.get("dash", "solid")]) | {"linewidth": POINT}
    return {
        "facecolor": layer["colour"],
        "alpha": layer["opacity"],
        "hatch": hatch,
        "edgecolor": "white",
        "linewidth": 0,
    }


DRAW = {
    "heat": _heat, "images": _images, "line": _line, "band": _band, "points": _points, "text": _text, "rects": _rects,
}  # fmt: skip


def _bar(figure: Figure, layer: Layer, area: tuple[float, ...], size: tuple[float, float]) -> None:
    left, bottom, width, height = area
    ax = figure.add_axes((left + width + 12 / size[0], bottom, 14 / size[0], height))
    ax.imshow(np.linspace(0, 1, 256)[:, None], origin="lower", cmap=layer["colours"], aspect="auto",
              extent=(0, 1, layer["low"], layer["high"]))  # fmt: skip
    values, words = zip(*layer["bar_ticks"], strict=True) if layer["bar_ticks"] else ((), ())
    ax.set_xticks([])
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")
    ax.set_yticks(values, words, fontsize=14 * POINT, color=SOFT)
    ax.set_ylabel(layer["bar"], fontsize=14 * POINT, color=INK)
    ax.tick_params(length=0)
    ax.spines[:].set_color(FRAME)


def _handle(layer: Layer) -> Any:
    if layer["kind"] == "points":
        style = _mark_style(layer)
        face, edge = style.get("facecolors", layer["colour"]), style.get("edgecolors", layer["colour"])
        mark = {"marker": style["marker"], "markersize": min(layer["size"], 14) * POINT, "linestyle": "none"}
        colours = {"markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": style["linewidths"]}
        return Line2D([], [], **mark, **colours)
    if layer["kind"] == "line":
        style = {"color": layer["colour"], "linestyle": DASH[layer["dash"]], "alpha": max(layer["opacity"], 0.6)}
        return Line2D([], [], linewidth=layer["width"] * POINT, **style)
    return Patch(**_patch_style(layer))


def _legend(ax: Axes, panel: Panel) -> None:
    named = [layer for layer in panel["layers"] if layer.get("label")]
    if named and panel["legend"]:
        corner = panel["legend"].replace("top", "upper").replace("bottom", "lower")
        handles, labels = [_handle(layer) for layer in named], [layer["label"] for layer in named]
        style = {"fontsize": 14 * POINT, "labelcolor": INK, "frameon": True, "framealpha": 0.9, "edgecolor": "none"}
        ax.legend(handles, labels, loc=corner, **style).set_zorder(TOP + 1)


def _axes(ax: Axes, panel: Panel) -> None:
    framed = panel["x_ticks"] or panel["y_ticks"] or panel["x_label"] or panel["y_label"]
    ax.set(xlim=panel["x"], ylim=panel["y"])
    for axis, label, ticks in (
        (ax.xaxis, panel["x_label"], panel["x_ticks"]),
        (ax.yaxis, panel["y_label"], panel["y_ticks"]),
    ):
        values, words = zip(*ticks, strict=True) if ticks else ((), ())
        axis.set_ticks(values, words, fontsize=14 * POINT, color=SOFT)
        axis.set_label_text(label, fontsize=14 * POINT, color=INK)
        axis.set_tick_params(length=5 * POINT, width=POINT, color=FRAME)
    ax.set_title(panel["title"], loc="left", fontsize=15 * POINT, fontweight="bold", color=INK, pad=9 * POINT)
    for spine in ax.spines.values():
        spine.set(visible=bool(framed), color=FRAME, linewidth=POINT, zorder=TOP)


def _area(panel: Panel, width: float, height: float) -> tuple[float, float, float, float]:
    """Left, bottom, width, height of the plotted area as fractions of the figure."""
    x, y, w, h = area_of(panel, width, height)
    return x / width, 1 - (y + h) / height, w / width, h / height


def picture(scene: Scene) -> Figure:
    """Draws a scene at the size the canvas has in a wide cell. The figure belongs to the caller, not to pyplot."""
    size = scene["width"], scene["height"]
    figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, layout="none", facecolor="white")
    for panel in scene["panels"]:
        area = _area(panel, *size)
        ax = figure.add_axes(area)
        ax.set(xlim=panel["x"], ylim=panel["y"])
        for place, layer in enumerate(panel["layers"], start=1):
            DRAW[layer["kind"]](ax, layer, place)  # as on the canvas, later layers lie on top, whatever their kind
            if layer.get("bar") is not None and not layer["flat"]:
                _bar(figure, layer, area, size)
        _axes(ax, panel)  # last, because pictures reset the limits
        _legend(ax, panel)
    return figure


def png(figure: Figure) -> bytes:
    """A picture with two pixels for each of the canvas's, as a PNG of few colours; takes about a fifth of a second."""
    figure.set_dpi(2 * DPI)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
    return in_few_colours(drawn, optimise=False)
