"""The look of our pictures, set on the Axes alone: colours for colour-blind readers too, a light grid."""

from typing import Any

import numpy as np

from fastlyap.labels import import_extra

# Okabe & Ito (2008), darkest hues first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
FAINT = "#8A8A8A"


def new_axes(ax: Any, width: float = 7.0, height: float = 4.3) -> Any:
    """`ax`, or the Axes of a new figure that pyplot does not know."""
    figure = import_extra("matplotlib.figure", "plot")
    if ax is None:
        ax = figure.Figure(figsize=(width, height), layout="constrained").subplots()
    return ax


def dress(ax: Any, x: str, y: str, title: str = "") -> Any:
    """Labels, a light grid behind the data, and no box."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if title:
        ax.set_title(title, loc="left", fontsize="medium")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, color="0.9", linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def colours(count: int) -> list[Any]:
    """`count` colours: the named ones, or shades of one scale where they do not suffice."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    matplotlib = import_extra("matplotlib", "plot")
    return list(matplotlib.colormaps["viridis"](np.linspace(0, 0.9, count)))


def zero_line(ax: Any) -> None:
    """The border between growing and shrinking."""
    ax.axhline(0, color=FAINT, linewidth=0.8, zorder=1)


def spacing(values: np.ndarray) -> str:
    """The scale of an axis: "log" where values grow by a constant factor, else "linear"."""
    if len(values) < 3 or np.any(values <= 0) or np.allclose(np.diff(values, 2), 0, atol=1e-9 * np.ptp(values)):
        return "linear"
    logs = np.log(values)
    return "log" if np.allclose(np.diff(logs, 2), 0, atol=1e-9 * np.ptp(logs)) else "linear"


def edges(values: np.ndarray) -> np.ndarray:
    """Borders (m + 1,) of the cells around m values, half-way between neighbours."""
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[values[0]], middle, [values[-1]]])
