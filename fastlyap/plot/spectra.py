"""One member's exponents, and how they settled."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap.labels import member_index
from fastlyap.plot import style


def spectrum(result: Any, index: int | Sequence[int] = (), ax: Any = None) -> Any:
    """Exponents by number, with error bars of two standard errors.

    Parameters
    ----------
    result : Spectrum
    index : tuple of int
        Which member of a batch.
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
    """
    at = member_index(result, index)
    ax = style.new_axes(ax)
    values, errors = result.exponents[at], result.stderr[at]
    numbers = np.arange(1, len(values) + 1)
    style.zero_line(ax)
    shown = np.where(np.isfinite(errors), 2 * errors, 0.0)
    ax.errorbar(
        numbers, values, yerr=shown, fmt="o", markersize=4, color=style.COLOURS[0], ecolor=style.COLOURS[1],
        elinewidth=1.2, capsize=2,
    )  # fmt: skip
    step = max(1, len(values) // 10)
    ax.set_xticks(numbers[::step])
    kind, dimension = np.asarray(result.kind)[at], np.asarray(result.kaplan_yorke)[at]
    title = f"{result.system.name}: {kind}, Kaplan-Yorke dimension {dimension:.4g}"
    return style.dress(ax, "number", f"Lyapunov exponent ({result.unit})", title)


def convergence(result: Any, index: int | Sequence[int] = (), ax: Any = None) -> Any:
    """Means over the run so far, minus the final ones so that all fit; bands of two standard errors.

    Parameters
    ----------
    result : Spectrum
        That kept its history.
    index : tuple of int
        Which member of a batch.
    ax : matplotlib Axes, optional
        A new figure by default.

    Returns
    -------
    matplotlib Axes
    """
    at = member_index(result, index)
    history = result.history()
    times, running = history.times[at], history.exponents[at]
    reached = np.isfinite(running).all(axis=-1)
    times, running = times[reached], running[reached]
    values, errors = result.exponents[at], result.stderr[at]
    ax = style.new_axes(ax)
    for i, colour in enumerate(style.colours(len(values))):
        known = errors[i] if np.isfinite(errors[i]) else 0.0
        label = f"$\\lambda_{{{i + 1}}}$ = {values[i]:.4g} ± {errors[i]:.1g}"
        ax.axhspan(-2 * known, 2 * known, color=colour, alpha=0.12, linewidth=0)
        ax.plot(times, running[:, i] - values[i], color=colour, linewidth=1.2, label=label)
    style.zero_line(ax)
    # the first tenth of a run would hide how the rest settles
    late = np.abs(running - values)[times >= 0.1 * times[-1]] if len(times) else np.empty(0)
    reach = 1.2 * max(late.max(initial=0.0), 2 * errors[np.isfinite(errors)].max(initial=0.0))
    if reach > 0:
        ax.set_ylim(-reach, reach)
    if len(values) <= len(style.COLOURS):
        ax.legend(frameon=False, fontsize="small")
    clock = "time" if result.system.kind == "flow" else "steps"
    return style.dress(ax, f"{clock} after the transient", f"running - final ({result.unit})", result.system.name)
