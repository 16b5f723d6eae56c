"""Lyapunov vectors and their angles, and fields of finite-time exponents."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.labels import batch_axis, import_extra, member_index
from fastlyap.plot import style
from fastlyap.plot.fields import over_inputs
from fastlyap.plot.quantity import Quantity, ordinal
from fastlyap.plot.sweeps import chart, curves
from fastlyap.status import Status

MOST_PAIRS = 6
BRIGHTEST = 0.99  # quantile of a field from which on all is the brightest colour


def angles(
    result: Any,
    pairs: Sequence[tuple[int, int]] | None = None,
    *,
    index: int | Sequence[int] | None = None,
    ax: Any = None,
) -> Any:
    """How often each angle between vectors was met by one member; over a batch, the smallest angle.

    Parameters
    ----------
    result : Vectors
    pairs : pairs of int, optional
        Vectors that are compared. One member: all pairs by default (up to 6). A batch: expanding vectors with all
        others by default, else the smallest angle among these pairs.
    index : tuple of int, optional
        Which member of a batch; without it a batch of one or two axes is drawn as a curve or a map.
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
    """
    k = result.exponents.shape[-1]
    chosen = _pairs(pairs, k)
    if index is None and result.status.ndim:
        return _over_batch(result, chosen, ax)
    counts = result.angle_histogram[member_index(result, () if index is None else index)]
    edges = np.rad2deg(result.angle_edges)
    shown = chosen if chosen is not None else [(i, j) for j in range(k) for i in range(j)][:MOST_PAIRS]
    ax = style.new_axes(ax)
    for (i, j), colour in zip(shown, style.colours(len(shown)), strict=True):
        density = counts[i, j] / max(counts[i, j].sum(), 1) / np.diff(edges)
        ax.stairs(density, edges, color=colour, linewidth=1.2, label=f"vectors {i + 1} and {j + 1}")
    ax.set_xlim(0, 90)
    ax.set_xticks([0, 15, 30, 45, 60, 75, 90])
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize="small")
    return style.dress(ax, "angle (degrees)", "density (per degree)", result.system.name)


def _pairs(pairs: Sequence[tuple[int, int]] | None, k: int) -> list[tuple[int, int]] | None:
    if pairs is None:
        return None
    found = [tuple(pair) for pair in pairs]
    if not found or not all(len(pair) == 2 and 0 <= min(pair) < max(pair) < k for pair in found):
        raise InputError(f"`pairs` must be pairs of different numbers below {k}, got {pairs!r}.")
    return [(int(i), int(j)) for i, j in found]


def _over_batch(result: Any, pairs: list[tuple[int, int]] | None, ax: Any) -> Any:
    """The smallest angle as a curve or a map."""
    if result.status.ndim > 2:
        shape = result.status.shape
        raise InputError(f"`result` must have one or two batch axes to be drawn, got shape {shape}; give an `index`.")
    if pairs is None:
        smallest, label = result.hyperbolicity().angle, "smallest angle of expanding and other vectors (degrees)"
    else:
        smallest = np.min([result.minimum_angle[..., i, j] for i, j in pairs], axis=0)
        label = "smallest angle (degrees)"
    shown = Quantity(np.rad2deg(smallest), label, False, False)
    failed = Status.failed(result.status)
    if result.status.ndim == 1:
        return curves(result, shown, None, failed, style.new_axes(ax))
    return chart(result, shown, failed, style.new_axes(ax, height=5.0))


def vectors(
    result: Any,
    components: Sequence[int] | None = None,
    *,
    index: int | Sequence[int] = (),
    count: int = 40,
    ax: Any = None,
) -> Any:
    """One member's orbit in a plane, with its vectors at evenly spread times.

    Parameters
    ----------
    result : Vectors
        With `store=True`.
    components : two int, optional
        By default the first and third component of three-dimensional systems, else the first two.
    index : tuple of int
        Which member of a batch.
    count : int
        At how many times vectors are drawn.
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
    """
    if result.vectors is None:
        raise InputError("`result` holds no vectors, only statistics; run with store=True.")
    member = member_index(result, index)
    state, rows = result.state[member], result.vectors[member]
    n, k = state.shape[-1], rows.shape[-2]
    chosen = tuple(components) if components is not None else (0, 2) if n == 3 else (0, 1)
    if len(chosen) != 2 or not all(0 <= i < n for i in chosen):
        raise InputError(f"`components` must be two numbers below {n}, got {components!r}.")
    ax = style.new_axes(ax, height=5.5)
    ax.set_aspect("equal")
    flow = result.system.kind == "flow"
    x, y = state[:, chosen[0]], state[:, chosen[1]]
    look = {"linewidth": 0.6} if flow else {"linestyle": "", "marker": ".", "markersize": 2.0}
    ax.plot(x, y, color="0.75", zorder=1, **look)
    places = np.unique(np.linspace(0, len(x) - 1, cast.count("count", count, 1)).round().astype(int))
    length = 0.035 * max(np.ptp(x), np.ptp(y), 1e-300)
    for i, colour in enumerate(style.colours(k)):
        ends = length * rows[places, i][:, chosen]
        middle = np.stack([x[places], y[places]], axis=1)
        lines = np.stack([middle - ends, middle + ends], axis=1)
        ax.add_collection(_lines(lines, colour, f"vector {i + 1}"))
    ax.autoscale_view()
    ax.legend(frameon=False, fontsize="small", loc="best")
    names = result.system.state_names or [f"x[{i}]" for i in range(n)]
    title = f"{result.system.name}, {result.settings['kind'].replace('_', ' ')} vectors"
    return style.dress(ax, names[chosen[0]], names[chosen[1]], title)


def _lines(lines: np.ndarray, colour: Any, label: str) -> Any:
    collections = import_extra("matplotlib.collections", "plot")
    return collections.LineCollection(list(lines), colors=[colour], linewidths=1.3, label=label, zorder=2)


def ftle_map(result: Any, extent: Sequence[float] | None = None, *, index: int = 0, ax: Any = None) -> Any:
    """A field of finite-time exponents over a grid of starts; ridges are the field's barriers.

    Parameters
    ----------
    result : FiniteTime
        With two batch axes; or of a network, over inputs (ny, nx, 2) or (ny * nx, 2) that fill a grid, or over any
        plane of inputs (ny, nx, n).
    extent : (left, right, bottom, top), optional
        Borders of the picture; by default the values that were varied. For a plane of more than two inputs, what it
        spans.
    index : int
        Which exponent, 0 for the largest.
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
    """
    if extent is not None and len(extent) != 4:
        raise InputError(f"`extent` must be (left, right, bottom, top), got {extent!r}.")
    if result.system.kind == "net":
        result = over_inputs(result, extent)
    if result.status.ndim != 2:
        raise InputError(f"`result` must have two batch axes for a map, got shape {result.status.shape}.")
    if cast.count("index", index, 0) >= result.exponents.shape[-1]:
        raise InputError(f"`index` must be below the number of exponents, {result.exponents.shape[-1]}, got {index}.")
    values = result.exponents[..., index]
    name = "largest" if index == 0 else f"{ordinal(index)} largest"
    shown = Quantity(values, f"{name} finite-time exponent\n({result.unit})", False, False)
    borders = extent if extent is not None else [f(batch_axis(result, i)[0]) for i in (0, 1) for f in (np.min, np.max)]
    left, right, bottom, top = borders
    shape = abs((top - bottom) / (right - left)) if right != left and top != bottom else 1.0
    ax = chart(result, shown, Status.failed(result.status), style.new_axes(ax, height=np.clip(5.5 * shape + 0.8, 2, 9)))
    known = values[np.isfinite(values)]
    if known.size:  # a few starts at walls and fixed points would leave the ridges in the dark
        ax.collections[0].set_clim(known.min(), np.quantile(known, BRIGHTEST))
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    return ax
