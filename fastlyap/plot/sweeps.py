"""A quantity over a batch of one axis (curves) or two (a map)."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.labels import batch_axis, import_extra
from fastlyap.plot import style
from fastlyap.plot.quantity import Quantity, errors_of, ordinal, quantity
from fastlyap.status import Status

HATCH, DOTS = "/////", "....."
MOST = 1000  # blocks along an axis that are drawn of a sweep on disk


def sweep(result: Any, what: str = "exponents", index: int = 0, ax: Any = None, *, unsure: bool = False) -> Any:
    """A quantity against what was varied; failed members are hatched.

    Parameters
    ----------
    result : Spectrum, Gradient or Sweep
        With one batch axis (curves, with a band of two standard errors where there are any) or two (a map). Of a sweep
        on disk, which may be larger than memory, means over blocks where there are more than 1000 members along an
        axis; a block is hatched where all of its members failed.
    what : str
        "exponents", "kaplan_yorke", "n_positive", "entropy", "stderr", "status", ...; of gradients "value",
        "gradient_rho", "stderr_rho", ...
    index : int
        Which exponent, or entry of a parameter, a map shows, 0 for the first; curves show all.
    ax : matplotlib Axes, optional
        A new figure by default.
    unsure : bool
        Dot the parts of a map whose values are within two standard errors of 0 (of a block, those of its members).

    Returns
    -------
    matplotlib Axes
    """
    if len(result.dims) not in (1, 2):
        raise InputError(f"`result` must have one or two batch axes to be drawn, got shape {result.status.shape}.")
    shown, errors, failed, result = _in_blocks(result, what) if hasattr(result, "coarse") else _as_it_is(result, what)
    if len(result.dims) == 1:
        return curves(result, shown, errors, failed, style.new_axes(ax))
    if shown.values.ndim == 3:
        k = shown.values.shape[-1]
        if cast.count("index", index, 0) >= k:
            raise InputError(f"`index` must be below the number of exponents, {k}, got {index}.")
        name = "largest" if index == 0 else f"{ordinal(index)} largest"
        label = f"{shown.label}[{index}]" if "_" in what else f"{name} {shown.label}"
        shown = shown._replace(values=shown.values[..., index], label=label)
        errors = None if errors is None else errors[..., index]
    with np.errstate(invalid="ignore"):
        dotted = None if errors is None or not unsure else np.abs(shown.values) <= 2 * errors
    return chart(result, shown, failed, style.new_axes(ax, height=5.0), dotted)


def _as_it_is(result: Any, what: str) -> tuple[Quantity, Any, np.ndarray, Any]:
    """The quantity, errors, failures and labels of a result in memory."""
    return quantity(result, what), errors_of(result, what), Status.failed(result.status), result


def _in_blocks(sweep: Any, what: str) -> tuple[Quantity, Any, np.ndarray, Any]:
    """The same of a sweep on disk, as means over blocks of members."""
    first = sweep.result((slice(0, 1),) * len(sweep.dims))
    shown, errors = quantity(first, what), errors_of(first, what)
    means, worst, firsts = sweep.coarse(lambda part: quantity(part, what).values, MOST)
    if what == "status":
        means = worst.astype(np.float64)
    elif shown.counted:
        means = np.round(means)
    if errors is not None:
        errors = sweep.coarse(lambda part: errors_of(part, what), MOST)[0]
    alone = Status.failed(worst) & np.isnan(means.reshape(*worst.shape, -1)).all(axis=-1)

    def cut(values: np.ndarray) -> np.ndarray:
        for axis, places in enumerate(firsts):
            if values.ndim > axis and values.shape[axis] > 1:
                values = values.take(places, axis)
        return values

    parameters = {name: cut(values) for name, values in sweep.parameters.items()}
    result = SimpleNamespace(
        dims=sweep.dims, status=worst, parameters=parameters, x0=cut(sweep.x0), system=sweep.system
    )
    return shown._replace(values=means), errors, alone if what != "status" else Status.failed(worst), result


def curves(result: Any, shown: Quantity, errors: Any, failed: np.ndarray, ax: Any) -> Any:
    """A quantity over a batch of one axis, with a band of two `errors` where there are any."""
    x, name = batch_axis(result, 0)
    table = shown.values.reshape(len(x), -1)
    errors = None if errors is None else errors.reshape(table.shape)
    symbol = "$\\lambda_{{{}}}$" if shown.label.startswith("Lyapunov") else "[{}]"
    order = np.argsort(x, kind="stable")
    for i, colour in enumerate(style.colours(table.shape[1])):
        y = np.where(np.isfinite(table[order, i]), table[order, i], np.nan)
        if errors is not None:
            band = np.where(np.isfinite(errors[order, i]), 2 * errors[order, i], 0.0)
            ax.fill_between(x[order], y - band, y + band, color=colour, alpha=0.25, linewidth=0)
        dots = "." if shown.counted or len(x) < 30 else ""
        name_of = symbol.format(i + symbol.startswith("$")) if table.shape[1] > 1 else None
        width = 0.0 if shown.counted else 1.0
        ax.plot(x[order], y, color=colour, linewidth=width, marker=dots, markersize=4, label=name_of)
    ax.set_xscale(style.spacing(x[order]))
    if shown.signed:
        style.zero_line(ax)
    _hatch_spans(ax, x[order], failed[order])
    if shown.label == "status":
        ax.set_yticks(range(len(Status)), labels=_status_names())
    plural = shown.label.replace("exponent (", "exponents (") if 1 < table.shape[1] else shown.label
    style.dress(ax, name, plural, result.system.name)
    if 1 < table.shape[1] <= len(style.COLOURS) or failed.any():
        ax.legend(frameon=False, fontsize="small", ncols=3, loc="best")
    return ax


def _hatch_spans(ax: Any, x: np.ndarray, failed: np.ndarray) -> None:
    """Hatch each run of failed members, in front of nothing."""
    borders = style.edges(x)
    starts = np.flatnonzero(failed & ~np.r_[False, failed[:-1]])
    ends = np.flatnonzero(failed & ~np.r_[failed[1:], False])
    for number, (i, j) in enumerate(zip(starts, ends, strict=True)):
        label = "failed" if number == 0 else None
        ax.axvspan(borders[i], borders[j + 1], facecolor="none", edgecolor="0.75", hatch=HATCH, lw=0, label=label)


def chart(result: Any, shown: Quantity, failed: np.ndarray, ax: Any, dotted: np.ndarray | None = None) -> Any:
    """A quantity (m, m') over a batch of two axes; `dotted` (m, m') marks what its errors leave open."""
    x, x_name = batch_axis(result, 0)
    y, y_name = batch_axis(result, 1)
    values = np.ma.masked_invalid(np.where(failed & ~(shown.counted & (shown.label == "status")), np.nan, shown.values))
    colours = _status_colours() if shown.label == "status" else _colours(shown, values)
    mesh = ax.pcolormesh(x, y, values.T, shading="nearest", rasterized=True, **colours)
    bar = ax.figure.colorbar(mesh, ax=ax, label=shown.label, extend=_extend(mesh.norm, values), pad=0.02)
    bar.outline.set_visible(False)
    if shown.label == "status":
        bar.set_ticks(range(len(Status)), labels=_status_names())
    elif shown.counted:
        bar.set_ticks(np.arange(int(values.max() if values.count() else 0) + 1))
    ax.set_xscale(style.spacing(x))
    ax.set_yscale(style.spacing(y))
    style.dress(ax, x_name, y_name, result.system.name)
    ax.grid(False)
    marks = [(failed, HATCH, "0.6", "failed"), (dotted, DOTS, "0.25", "within two errors of 0")]
    keys = []
    for mask, hatch, colour, label in marks:
        if mask is not None and mask.any() and min(mask.shape) > 1 and shown.label != "status":
            keys.append(_hatch_cells(ax, x, y, mask, hatch, colour, label))
    if keys:
        ax.legend(handles=keys, fontsize="small", loc="upper right", framealpha=0.9, edgecolor="none")
    return ax


def _hatch_cells(ax: Any, x: np.ndarray, y: np.ndarray, mask: np.ndarray, hatch: str, colour: str, label: str) -> Any:
    """Hatch the cells of a mask; the entry of the legend."""
    patches = import_extra("matplotlib.patches", "plot")
    areas = ax.contourf(x, y, mask.T.astype(float), levels=[0.5, 1.5], colors="none", hatches=[hatch])
    areas.set(edgecolor=colour, linewidth=0)
    return patches.Patch(facecolor="0.93", edgecolor=colour, hatch=hatch, label=label)


def _colours(shown: Quantity, values: Any) -> dict[str, Any]:
    """Colour map and norm: diverging around 0, steps, or plain."""
    colors = import_extra("matplotlib.colors", "plot")
    known = values.compressed()
    if shown.counted:
        top = int(known.max()) if known.size else 0
        return {"cmap": _on_grey("viridis").resampled(top + 1), "vmin": -0.5, "vmax": top + 0.5}
    if not shown.signed:
        return {"cmap": _on_grey("viridis")}
    # each side has its own scale, or strong contraction would bleach all of chaos
    above, below = (
        float(np.quantile(side, 0.99)) if side.size else 0.0 for side in (known[known > 0], -known[known < 0])
    )
    above, below = above or below or 1.0, below or above or 1.0
    return {"cmap": _on_grey("RdBu_r"), "norm": colors.TwoSlopeNorm(0.0, -below, above)}


def _status_names() -> list[str]:
    return [code.name.lower().replace("_", " ") for code in Status]


def _status_colours() -> dict[str, Any]:
    colors = import_extra("matplotlib.colors", "plot")
    shades = ["#DCEBF5", *style.COLOURS[1:], "#000000", "#8A8A8A"][: len(Status)]
    return {"cmap": colors.ListedColormap(shades), "vmin": -0.5, "vmax": len(Status) - 0.5}


def _on_grey(name: str) -> Any:
    """A colour map that shows what is missing in light grey."""
    matplotlib = import_extra("matplotlib", "plot")
    return matplotlib.colormaps[name].with_extremes(bad="0.93")


def _extend(norm: Any, values: Any) -> str:
    known = values.compressed()
    if not known.size:
        return "neither"
    below, above = known.min() < norm.vmin, known.max() > norm.vmax
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((bool(below), bool(above)), "neither")
