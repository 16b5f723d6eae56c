"""Orbits: in time, in a plane, and against a parameter."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.labels import batch_axis, member_index
from fastlyap.plot import style


def trajectory(
    result: Any, components: Sequence[int] | None = None, *, index: int | Sequence[int] = (), ax: Any = None
) -> Any:
    """One member's orbit: one component against time, or two against each other.

    Parameters
    ----------
    result : Trajectory
    components : one or two int, optional
        By default time for one-dimensional systems, the first and third component for three-dimensional ones,
        else the first two.
    index : tuple of int
        Which member of a batch.
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
    """
    state = result.state[member_index(result, index)]
    n = state.shape[-1]
    chosen = tuple(components) if components is not None else {1: (0,), 3: (0, 2)}.get(n, (0, 1))
    if not 1 <= len(chosen) <= 2 or not all(0 <= i < n for i in chosen):
        raise InputError(f"`components` must be one or two numbers below {n}, got {components!r}.")
    names = [_name(result, i) for i in chosen]
    flow = result.system.kind != "map"
    if len(chosen) == 1:
        clock = "time" if flow else "step"
        x, y, labels = result.times, state[:, chosen[0]], (clock, names[0])
    else:
        x, y, labels = state[:, chosen[0]], state[:, chosen[1]], (names[0], names[1])
    ax = style.new_axes(ax)
    look = {"linewidth": 0.6} if flow else {"linestyle": "", "marker": ".", "markersize": 1.5}
    ax.plot(x, y, color=style.COLOURS[0], rasterized=len(x) > 20_000, **look)
    return style.dress(ax, *labels, result.system.name)


def bifurcation(result: Any, component: int = 0, ax: Any = None) -> Any:
    """The values one component takes, against the one parameter varied.

    Parameters
    ----------
    result : Trajectory
        With one batch axis.
    component : int
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
    """
    if result.status.ndim != 1:
        raise InputError(f"`result` must have one batch axis for a bifurcation, got shape {result.status.shape}.")
    values, name = batch_axis(result, 0)
    y = result.state[..., component]
    x = np.broadcast_to(values[:, None], y.shape)
    ax = style.new_axes(ax)
    faint = float(np.clip(3e4 / max(y.size, 1), 0.05, 0.6))
    ax.plot(x.ravel(), y.ravel(), ",", color="black", alpha=faint, rasterized=True)
    return style.dress(ax, name, _name(result, component), result.system.name)


def _name(result: Any, component: int) -> str:
    names = result.system.state_names
    return names[component] if names else f"x[{component}]"
