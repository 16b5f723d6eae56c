"""Gradients by several methods side by side, with their errors: which of them agree, and which can be believed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastlyap.errors import InputError
from fastlyap.labels import batch_axis
from fastlyap.plot import style
from fastlyap.status import Status

MOST = 40  # entries of a gradient side by side
ROOM = 0.4  # of the distance between two entries that a method's marks may fill to each side


class Drawn(NamedTuple):
    """One method: values and errors (points, entries), and the mask (points,) of what is trusted."""

    label: str
    values: np.ndarray
    errors: np.ndarray
    trusted: np.ndarray


def gradients(results: Any, wrt: str | None = None, *, median: bool = False, ax: Any = None) -> Any:
    """Estimates of one gradient by several methods, with two standard errors; hollow marks are `UNTRUSTED`.

    Parameters
    ----------
    results : Gradient, sequence of Gradient, or dict of label to Gradient
        Of one system and batch; without batch axes entry beside entry, with one axis curves over what was varied.
    wrt : str, optional
        The parameter to draw; all of them by default. Over a batch axis it must be a single number.
    median : bool
        Medians over members, with their errors, instead of means.
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
        The vertical range is that of the trusted values, where there are any.
    """
    named = _labelled(results)
    first = next(iter(named.values()))
    labels = _entries(first, wrt)
    drawn = [_drawn(label, one, labels, median) for label, one in named.items()]
    ax = style.new_axes(ax)
    (_curves if first.dims else _beside)(ax, first, labels, drawn)
    _limit(ax, drawn)
    if not all(one.trusted.all() for one in drawn):
        ax.plot([], [], "o", color=style.FAINT, markersize=4, markerfacecolor="white", label="UNTRUSTED")
    ax.legend(fontsize="small", framealpha=0.9, edgecolor="none")
    return ax


def _labelled(results: Any) -> dict[str, Any]:
    """Results by label, checked to be of one batch of at most one axis."""
    if not isinstance(results, Mapping):
        several = list(results) if isinstance(results, (list, tuple)) else [results]
        names = [getattr(one, "stats", {}).get("method", "?") for one in several]
        results = {f"{name} {i + 1}" if names.count(name) > 1 else name: one
                   for i, (name, one) in enumerate(zip(names, several, strict=True))}  # fmt: skip
    if not results:
        raise InputError("`results` is empty; give what `fl.gradient` returned, one or several of them.")
    shapes = {}
    for label, one in results.items():
        if not isinstance(getattr(one, "gradient", None), dict):
            raise InputError(f"`results` must hold what `fl.gradient` returns, got {type(one).__name__} for {label!r}.")
        shapes[label] = one.status.shape
    if len(set(shapes.values())) > 1 or len(next(iter(shapes.values()))) > 1:
        raise InputError(f"`results` must share one batch shape of at most one axis, got {shapes}.")
    return dict(results)


def _entries(result: Any, wrt: str | None) -> list[tuple[str, tuple[int, ...]]]:
    """Name and index of every entry to draw."""
    if wrt is not None and wrt not in result.gradient:
        raise InputError(f"`wrt` must be one of {', '.join(result.gradient)}, got {wrt!r}.")
    names = result.gradient if wrt is None else (wrt,)
    axes = len(result.dims)
    found = [(name, at) for name in names for at in np.ndindex(np.shape(result.gradient[name])[axes:])]
    if not 0 < len(found) <= (1 if axes else MOST):
        room = "one number to draw over a batch axis" if axes else f"1 to {MOST} numbers to draw side by side"
        raise InputError(f"`wrt` must leave {room}, got {len(found)}; name one of {', '.join(result.gradient)}, or "
                         "draw its array yourself.")  # fmt: skip
    return found


def _drawn(label: str, one: Any, entries: list[tuple[str, tuple[int, ...]]], median: bool) -> Drawn:
    values, errors = (one.median, one.median_stderr) if median else (one.gradient, one.stderr)
    if values is None:
        raise InputError(f"`median` was not kept for {label}: it has more than 10^4 parameters; see `keep_members`.")
    missing = sorted({name for name, _ in entries} - set(values))
    if missing:
        raise InputError(f"`results` must all have a gradient by {missing[0]}; {label} has {', '.join(values)}.")
    trusted = np.asarray(one.status).reshape(-1) < Status.UNTRUSTED
    return Drawn(label, _columns(values, entries), _columns(errors, entries), trusted)


def _columns(part: dict[str, Any], entries: list[tuple[str, tuple[int, ...]]]) -> np.ndarray:
    """The entries as columns (points, entries)."""
    return np.stack([part[name][(Ellipsis, *at)].reshape(-1) for name, at in entries], axis=1)


def _beside(ax: Any, result: Any, entries: list[tuple[str, tuple[int, ...]]], drawn: list[Drawn]) -> None:
    """Entry beside entry, the methods next to each other."""
    places = np.arange(len(entries))
    offsets = np.linspace(-ROOM, ROOM, len(drawn) + 2)[1:-1]
    for one, offset, colour in zip(drawn, offsets, style.colours(len(drawn)), strict=True):
        trusted = np.full(len(places), one.trusted[0])
        _marks(ax, places + offset, one.values[0], one.errors[0], trusted, colour, one.label)
    ax.set_xticks(places, labels=[name + (str(list(at)) if at else "") for name, at in entries])
    ax.set_xlim(-0.5, len(entries) - 0.5)
    style.dress(ax, "", "gradient", result.system.name)


def _curves(ax: Any, result: Any, entries: list[tuple[str, tuple[int, ...]]], drawn: list[Drawn]) -> None:
    """One curve for each method over the batch axis."""
    x, name = batch_axis(result, 0)
    order = np.argsort(x, kind="stable")
    for one, colour in zip(drawn, style.colours(len(drawn)), strict=True):
        y, band = one.values[order, 0], 2 * np.nan_to_num(one.errors[order, 0])
        ax.fill_between(x[order], y - band, y + band, color=colour, alpha=0.2, linewidth=0)
        ax.plot(x[order], y, color=colour, linewidth=1.0)
        _marks(ax, x[order], y, None, one.trusted[order], colour, one.label)
    ax.set_xscale(style.spacing(x[order]))
    style.dress(ax, name, f"derivative by {entries[0][0]}", result.system.name)


def _marks(
    ax: Any, x: np.ndarray, y: np.ndarray, errors: Any, trusted: np.ndarray, colour: Any, label: str
) -> None:  # fmt: skip
    """Full marks where values are trusted, hollow ones elsewhere; the label once."""
    best = colour if trusted.any() else "white"
    ax.plot([], [], "o", color=colour, markersize=4, markerfacecolor=best, label=label)
    for mask, fill, width in ((trusted, colour, 1.2), (~trusted, "white", 0.5)):
        bars = None if errors is None else 2 * np.nan_to_num(errors[mask])
        ax.errorbar(
            x[mask], y[mask], yerr=bars, fmt="o", markersize=4, color=colour, markerfacecolor=fill, elinewidth=width,
            capsize=2,
        )  # fmt: skip


def _limit(ax: Any, drawn: list[Drawn]) -> None:
    """Let no exploding estimate hide the others."""
    kept = [np.concatenate([(one.values + s * 2 * np.nan_to_num(one.errors))[one.trusted].ravel() for s in (-1, 1)])
            for one in drawn]  # fmt: skip
    kept_all = np.concatenate(kept)
    kept_all = kept_all[np.isfinite(kept_all)]
    if kept_all.size and not all(one.trusted.all() for one in drawn):
        low, high = kept_all.min(), kept_all.max()
        margin = 0.25 * (high - low) or 0.1 * abs(high) or 1.0
        ax.set_ylim(low - margin, high + margin)
