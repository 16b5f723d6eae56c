"""Norms of gradients along the layers of a network, or along time."""

from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.plot import style


def gradient_norms(diagnosis: Any, *, ax: Any = None) -> Any:
    """Median, rms and largest gradient of every layer or step, beside what the exponents say.

    Parameters
    ----------
    diagnosis : Diagnosis
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
        Logarithmic; the loss is on the right. Layers that no gradient comes to are left out.
    """
    if hasattr(diagnosis, "members"):
        told = f"got a batch {diagnosis.shape}; pass diagnosis[0], say"
        raise InputError(f"`diagnosis` must be that of one network, {told}.")
    if not hasattr(diagnosis, "gradient_median"):
        raise InputError(f"`diagnosis` must be what `fl.diagnose` returns, got {type(diagnosis).__name__}.")
    d, ax = diagnosis, style.new_axes(ax)
    places = np.arange(1, len(d.names) + 1)
    norms = {"median": d.gradient_median, "rms": d.gradient_rms, "largest": d.gradient_max}
    dots = "o" if len(places) <= 30 else ""
    for (name, values), colour in zip(norms.items(), style.COLOURS, strict=False):
        drawn = np.isfinite(values) & (values > 0)
        ax.plot(places[drawn], values[drawn], color=colour, marker=dots, markersize=3.5, linewidth=1.2, label=name)
    ax.set_yscale("log")
    _exponents(ax, d, places)
    ax.legend(frameon=False, fontsize="small")
    unit = "layer" if d.kind == "net" else "step"
    title = f"{d.verdict}: {d.rate:+.3g} {d.unit} towards the input"
    return style.dress(ax, unit, "norm of the gradient", title)


def _exponents(ax: Any, d: Any, places: np.ndarray) -> None:
    """Straight lines through the gradient at the end: growth at the largest exponent, and what all of them imply."""
    limits = ax.get_ylim()
    lines = (
        ("largest exponent", d.exponents[0], d.gradient_median[-1], "--"),
        ("all exponents", d.expected_rate, d.gradient_rms[-1], ":"),
    )
    for name, rate, end, dashes in lines:
        if np.isfinite(rate) and np.isfinite(end) and end > 0:
            with np.errstate(over="ignore", under="ignore"):
                line = end * np.exp(rate * (places[-1] - places))
            ax.plot(places, line, color=style.FAINT, linestyle=dashes, linewidth=1.2, label=f"{name}, {rate:+.3g}")
    ax.set_ylim(limits)
