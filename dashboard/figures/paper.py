"""A figure of a page as a paper takes it: SVG, PDF or PNG, on white, as wide as a column of a journal.

Plotly draws in a browser alone, and its own exporter (Kaleido) needs Chrome. Matplotlib comes from the package index
(LIME needs it anyway) and writes all three: text becomes paths in SVG, and an embedded font in PDF.
"""

import html
import io
import math
import re
from typing import Any

import matplotlib as mpl
import pandas as pd
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MultipleLocator, NullFormatter, PercentFormatter, ScalarFormatter
from matplotlib.transforms import ScaledTranslation, Transform, blended_transform_factory

from dashboard.theme import INK

MILLIMETRES = (85, 175)
"""Widths: one column, and two."""
FORMATS = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
DPI = 600
_GRID = "#DEDEE6"
_HIGHEST = 9.0
"""Inches of a page, for panels that could stand above each other."""
_CAP = 3
"""Half the height of a whisker's end, points: more than a mark's, so that the shortest is seen."""
_PIXELS_AN_INCH = 150
"""Of a figure's height on the page."""
_MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "diamond-open": "D"}
_DASHED = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
_AWAY = {"left": -1, "right": 1, "top": 1, "bottom": -1, "middle": 0, "center": 0}
_FACING = {"left": "right", "right": "left", "top": "bottom", "bottom": "top", "middle": "center", "center": "center"}
"""Of a text beside a mark, by where it stands: the way it is moved, and the edge that faces the mark."""
_ANCHORS = {"top": "top", "middle": "center", "bottom": "bottom", "left": "left", "center": "center", "right": "right"}

mpl.rcParams.update(
    {
        "font.size": 6, "text.parse_math": False, "svg.fonttype": "path", "pdf.fonttype": 42, "axes.spines.top": False,
        "axes.spines.right": False, "axes.edgecolor": _GRID, "axes.grid": True, "axes.axisbelow": True,
        "grid.color": _GRID, "grid.linewidth": 0.4, "xtick.color": _GRID, "ytick.color": _GRID,
        "xtick.labelcolor": INK, "ytick.labelcolor": INK, "text.color": INK, "axes.labelcolor": INK,
        "lines.linewidth": 1, "axes.linewidth": 0.6, "legend.frameon": False,
    }
)  # fmt: skip


def render(figure: go.Figure, form: str, millimetres: int) -> bytes:
    """The figure as a file.

    Args:
        figure: scatter, bar and heatmap traces, in one row or one column of panels.
        form: of FORMATS.
        millimetres: its width.
    """
    layout = figure.to_plotly_json()["layout"]
    height = max(layout["height"] / _PIXELS_AN_INCH, 1.6)
    stacked = not _beside(figure)
    if not stacked and millimetres < max(MILLIMETRES) and height * len(_panel_names(figure)) <= _HIGHEST:
        height, stacked = height * len(_panel_names(figure)), True
    page = Figure(figsize=(millimetres / 25.4, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06), dpi=DPI)
    panels = _panels(page, figure, stacked=stacked)
    for trace in figure.data:
        _DRAW[trace.type](panels[trace.xaxis or "x"], trace)
    for name, panel in panels.items():
        number = name[1:]
        _axis(panel, "x", layout.get(f"xaxis{number}", {}))
        _axis(panel, "y", layout.get(f"yaxis{number}", {}))
        if not stacked and layout.get(f"yaxis{number}", {}).get("showticklabels") is False:
            panel.tick_params(labelleft=False)  # those of the panel beside it
        if not stacked and millimetres < max(MILLIMETRES):
            panel.tick_params(axis="x", labelrotation=90)  # side by side they would run into each other
    for which in "xy":
        _match(panels, layout, which)
    for shape in figure.layout.shapes:
        _shape(panels[_panel_of(shape)], shape)
    for note in figure.layout.annotations:
        title = _titled(figure, panels, note)
        _note(panels[_panel_of(note)], note) if title is None else title.set_title(plain(note.text), fontsize=6)
    known = [panel.get_legend_handles_labels() for panel in panels.values()]
    named = {text: handle for handles, texts in known for handle, text in zip(handles, texts, strict=True)}
    if named and layout.get("showlegend") is not False:
        columns = max(1, millimetres // 42)
        page.legend(list(named.values()), list(named), loc="outside upper left", ncols=columns, fontsize=6)
    file = io.BytesIO()
    page.savefig(file, format=form, facecolor="white", metadata={"Date": None} if form == "svg" else None)
    return file.getvalue()


def _match(panels: dict[str, Axes], layout: dict[str, Any], which: str) -> None:
    """Give axes the same ends that have them on the page."""
    alike: dict[str, list[Axes]] = {}
    for name, panel in panels.items():
        axis = layout.get(f"{which}axis{name[1:]}", {})
        if axis.get("range") is None:
            alike.setdefault(axis.get("matches", f"{which}{name[1:]}"), []).append(panel)
    for some in alike.values():
        ends = [getattr(panel, f"get_{which}lim")() for panel in some]
        for panel in some if len(some) > 1 else ():
            getattr(panel, f"set_{which}lim")(min(low for low, _ in ends), max(high for _, high in ends))


def _panel_names(figure: go.Figure) -> list[str]:
    """The horizontal axes that have traces."""
    return list(dict.fromkeys(trace.xaxis or "x" for trace in figure.data))


def _beside(figure: go.Figure) -> bool:
    """Whether the panels stand beside each other on the page."""
    return len({tuple(figure.layout[f"xaxis{name[1:]}"].domain or ()) for name in _panel_names(figure)}) > 1


def _panels(page: Figure, figure: go.Figure, *, stacked: bool) -> dict[str, Axes]:
    """Axes by the name of their horizontal axis, in a row or a column."""
    names = _panel_names(figure)
    grid = page.subplots(len(names) if stacked else 1, 1 if stacked else len(names), squeeze=False)
    return dict(zip(names, grid.ravel().tolist(), strict=True))


def _titled(figure: go.Figure, panels: dict[str, Axes], note: Any) -> Axes | None:
    """The panel whose title an annotation is, as `make_subplots` writes them."""
    if len(panels) == 1 or (note.xref, note.yref) != ("paper", "paper"):
        return None
    middle = {name: sum(figure.layout[f"xaxis{name[1:]}"].domain) / 2 for name in panels}
    return panels[min(middle, key=lambda name: abs(middle[name] - note.x))]


def _panel_of(item: Any) -> str:
    name = str(item.xref or "paper").split()[0]
    if name != "paper":
        return name
    other = str(item.yref or "paper").split()[0]
    return "x" if other == "paper" else f"x{other[1:]}"


def _scatter(panel: Axes, trace: go.Scatter) -> None:
    x, y, mode = list(trace.x), list(trace.y), trace.mode or "lines"
    label = plain(trace.name) if trace.showlegend is not False and trace.name else None
    if trace.fill == "toself":
        panel.fill(x, y, color=_colour(trace.fillcolor), linewidth=0)
        return
    colour = trace.marker.color or trace.line.color
    ends = [e.array is not None and [list(e.arrayminus), list(e.array)] for e in (trace.error_x, trace.error_y)]
    if any(ends):
        shade = _colour(trace.error_x.color or trace.error_y.color or colour)
        panel.errorbar(
            x, y, xerr=ends[0] or None, yerr=ends[1] or None, fmt="none", ecolor=shade, elinewidth=0.8, capsize=_CAP
        )
    if "lines" in mode:
        marker = _MARKERS.get(str(trace.marker.symbol or "circle"), "o") if "markers" in mode else None
        dashed = _DASHED[trace.line.dash or "solid"]
        width = 0.4 * (trace.line.width or 2)
        shade = _colour(trace.line.color)
        panel.plot(x, y, dashed, color=shade, marker=marker, markersize=2.2, label=label, linewidth=width)
    elif "markers" in mode:
        dots = pd.DataFrame({"x": x, "y": y})
        dots["size"] = [(s * 0.45) ** 2 for s in _each(trace.marker.size or 6, len(x))]
        dots["colour"] = [_colour(c) for c in _each(colour, len(x))]
        dots["symbol"] = _each(trace.marker.symbol or "circle", len(x))
        for symbol, alike in dots.groupby("symbol"):
            hollow, colours = str(symbol).endswith("-open"), alike["colour"].tolist()
            panel.scatter(
                alike["x"], alike["y"], s=alike["size"], marker=_MARKERS.get(str(symbol), "o"), label=label,
                facecolors="none" if hollow else colours, edgecolors=colours, linewidths=0.8 if hollow else 0.4,
                zorder=3,
            )  # fmt: skip
    if "text" in mode and trace.text is not None:
        panel.plot(x, y, " ")  # there is room for it
        columns = (trace.text, trace.textposition or "middle left", trace.marker.size or 6, colour)
        every = (_each(values, len(x)) for values in columns)
        letters = min(0.45 * (trace.textfont.size or 13), 1.5 * panel.figure.bbox.width / DPI)
        for x0, y0, text, position, size, shade in zip(x, y, *every, strict=True):
            inside = "markers" in mode and _colour(shade)[3] == 0
            across, along = ("middle", "center") if inside else str(position).split()
            away = 2 + 0.25 * float(size) if "markers" in mode else 0.5
            panel.annotate(
                plain(text), (x0, y0), xytext=(_AWAY[along] * away, _AWAY[across] * away), textcoords="offset points",
                va=_FACING[across], ha=_FACING[along], fontsize=letters,
                color=_colour(trace.textfont.color) if trace.textfont.color else INK, zorder=4,
            )  # fmt: skip


def _bar(panel: Axes, trace: go.Bar) -> None:
    lying = trace.orientation == "h"
    along, lengths = (trace.y, trace.x) if lying else (trace.x, trace.y)
    places, lengths, ends = list(along), [float(v) for v in lengths], trace.error_x if lying else trace.error_y
    floor: dict[Any, float] = panel.__dict__.setdefault("stacked", {})
    label = plain(trace.name) if trace.showlegend is not False and trace.name and places else None
    width = 0.88 if trace.width is None else trace.width
    bottom = [floor.get(at, 0.0) for at in places]
    colours = [_colour(c) for c in _each(trace.marker.color, len(places))]
    whiskers: dict[str, Any] = {}
    if ends.array is not None:
        whiskers["xerr" if lying else "yerr"] = [list(ends.arrayminus), list(ends.array)]
    draw = panel.barh if lying else panel.bar
    draw(places, lengths, width, bottom, color=colours, label=label, error_kw={"elinewidth": 0.6}, **whiskers)
    floor.update((at, low + high) for at, low, high in zip(places, bottom, lengths, strict=True))


def _heatmap(panel: Axes, trace: go.Heatmap) -> None:
    scale = LinearSegmentedColormap.from_list("", [(at, _colour(colour)) for at, colour in trace.colorscale])
    values = [[float("nan") if v is None else float(v) for v in row] for row in trace.z]
    known = [abs(v) for row in values for v in row if not math.isnan(v)] or [1.0]
    low, high = (-max(known), max(known)) if trace.zmid is not None else (trace.zmin, trace.zmax)
    mesh = panel.imshow(values, cmap=scale, vmin=low, vmax=high, aspect="auto", interpolation="none")
    panel.grid(visible=False)
    if trace.showscale is not False:
        bar = panel.figure.colorbar(mesh, ax=panel, shrink=0.6)
        bar.set_label(plain(trace.colorbar.title.text or ""))


_DRAW = {"scatter": _scatter, "scattergl": _scatter, "bar": _bar, "heatmap": _heatmap}


def _axis(panel: Axes, which: str, layout: dict[str, Any]) -> None:
    axis = panel.xaxis if which == "x" else panel.yaxis
    axis.set_tick_params(length=0)
    axis.set_label_text(plain(layout.get("title", {}).get("text", "")))
    if layout.get("type") == "log":
        getattr(panel, f"set_{which}scale")("log")
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    elif step := layout.get("dtick"):
        axis.set_major_locator(MultipleLocator(step))
    if layout.get("tickvals") is not None:
        names = [plain(text) for text in layout["ticktext"]]
        turned = -float(layout.get("tickangle", 0)) if which == "x" else 0.0
        axis.set_ticks(list(layout["tickvals"]), names, rotation=90 if turned else 0)
    if str(layout.get("tickformat", "")).endswith("%"):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    if which == "x" and layout.get("side") == "top":
        panel.xaxis.tick_top()
        panel.xaxis.set_label_position("top")
    if which == "y" and layout.get("side") == "right":
        panel.yaxis.tick_right()
        panel.yaxis.set_label_position("right")
    if layout.get("range") is not None:
        getattr(panel, f"set_{which}lim")(*layout["range"])
    elif layout.get("rangemode") == "tozero":
        getattr(panel, f"set_{which}lim")(**{"left" if which == "x" else "bottom": 0})


def _transform(panel: Axes, xref: str, yref: str) -> Transform:
    """Data, or shares of the panel where Plotly means the domain or the paper."""
    sides = [panel.transAxes if "domain" in ref or ref == "paper" else panel.transData for ref in (xref, yref)]
    return blended_transform_factory(*sides)


def _shape(panel: Axes, shape: Any) -> None:
    where = _transform(panel, str(shape.xref), str(shape.yref))
    if shape.type == "rect":
        x, y = [shape.x0, shape.x1, shape.x1, shape.x0], [shape.y0, shape.y0, shape.y1, shape.y1]
        panel.fill(x, y, color=_colour(shape.fillcolor), transform=where, zorder=0, linewidth=0)
        return
    dashed = "--" if shape.line.dash else "-"
    x = [shape.x0, shape.x1]
    if shape.xsizemode == "pixel":  # from the edge of the panel, whatever its width
        beside = ScaledTranslation(shape.x0 / _PIXELS_AN_INCH, 0, panel.figure.dpi_scale_trans)
        where, x = blended_transform_factory(panel.transAxes + beside, panel.transData), [shape.xanchor] * 2
    panel.plot(
        x, [shape.y0, shape.y1], dashed, color=_colour(shape.line.color), transform=where,
        linewidth=(shape.line.width or 1) / 2, clip_on=False, solid_capstyle="butt",
    )  # fmt: skip


def _note(panel: Axes, note: Any) -> None:
    away = ScaledTranslation((note.xshift or 0) / _PIXELS_AN_INCH, 0, panel.figure.dpi_scale_trans)
    where = _transform(panel, str(note.xref), str(note.yref)) + away
    panel.text(
        note.x, note.y, plain(note.text), transform=where, fontsize=5.5,
        ha=_ANCHORS.get(note.xanchor, "center"), va=_ANCHORS.get(note.yanchor, "center"),
        rotation=-(note.textangle or 0), color=_colour(note.font.color) if note.font.color else INK,
    )  # fmt: skip


def _each(value: Any, count: int) -> list[Any]:
    return [value] * count if isinstance(value, str | int | float) or value is None else list(value)


def _colour(text: Any) -> tuple[float, float, float, float]:
    if found := re.fullmatch(r"rgba?\(([^)]*)\)", str(text)):
        red, green, blue, *alpha = (float(part) for part in found[1].split(","))
        return (red / 255, green / 255, blue / 255, alpha[0] if alpha else 1.0)
    return to_rgba(text or INK)


def plain(text: Any) -> str:
    """What Plotly shows for its markup."""
    return html.unescape(re.sub(r"<[^<>]*>", "", str(text).replace("<br>", "\n")))
