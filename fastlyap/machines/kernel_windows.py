"""How many lags of an average a noise is paired with: given, or doubled until the gradient stays.

Truncation is the commonest error of these methods, and the standard error does not contain it. All windows 4, 8, 16
... are evaluated on the same orbits, so that the change from one to the next is known far better than either.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

from fastlyap.errors import InputError
from fastlyap.machines.gradient_assembly import spread_of
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.orbit import Members
from fastlyap.request import GradientRequest
from fastlyap.status import NOT_FINITE

FIRST = 4
LONGEST = 64  # parts of the run that the longest window is one of
BIAS = 0.01  # relative bias (W + 1) / steps, from the mean of the same orbit, that is still allowed


def windows_of(window: Any, steps: int, members: int) -> tuple[int, ...]:
    """The windows to evaluate."""
    if not isinstance(window, str):
        if window + 2 > steps:
            raise InputError(f"`window` must be below `steps` - 1 = {steps - 1}, got {window}.")
        return (window,)
    found = []
    W = FIRST
    while W <= steps // LONGEST and (W + 1) <= BIAS * steps:
        found.append(W)
        W *= 2
    if len(found) < 3:
        raise InputError(f'`window` "auto" needs at least {int(17 / BIAS)} `steps`, to compare windows of 4, 8 and 16 '
                         f"steps, got {steps}; give more, or a window.")  # fmt: skip
    if members < 4:
        raise InputError(f'`window` "auto" needs at least 4 `members` to judge differences by, got {members}.')
    return tuple(found)


def chosen_windows(
    request: GradientRequest, found: Members, windows: tuple[int, ...], checks: Any, stats: dict[str, Any]
) -> Members:  # fmt: skip
    """The members with the gradients of one window for each point and objective."""
    points, E, J = request.points, request.repetitions, len(request.objectives)
    g = found.gradient.reshape(points, E, len(windows), J, -1)
    W = np.array(windows)
    if len(windows) == 1:
        stats["each"] = [{"window": np.full(points, windows[0])}] * J
        short = (W[0] + 1) >= BIAS * request.steps
        checks.doubt(np.full(points, short), Reason.LONG_WINDOW)
        return found._replace(gradient=g[:, :, 0].reshape(points * E, J, -1))
    good = found.status.reshape(points, E) < NOT_FINITE
    place = np.full((points, J), len(windows) - 1)
    settled = np.zeros((points, J), dtype=bool)
    change = spread_of(np.diff(g, axis=2).reshape(points, E, -1), good)
    mean, error = (a.reshape(points, len(windows) - 1, J, -1) for a in (change.mean, change.stderr))
    bound = -ndtri(0.0455 / (2 * max(g.shape[-1], 1)))
    small = np.all(np.abs(mean) <= bound * error, axis=-1)
    for i in range(len(windows) - 2):
        fresh = small[:, i] & small[:, i + 1] & ~settled
        place[fresh] = i + 2
        settled |= fresh
    checks.doubt(~settled.all(axis=1), Reason.CHANGING)
    last = np.maximum(place, 1) - 1
    stats["each"] = [
        {
            "window": W[place[:, j]], "window_change": mean[np.arange(points), last[:, j], j],
            "window_change_stderr": error[np.arange(points), last[:, j], j],
        }
        for j in range(J)
    ]  # fmt: skip
    picked = np.take_along_axis(g, place[:, None, None, :, None], axis=2)[:, :, 0]
    return found._replace(gradient=picked.reshape(points * E, J, -1))
