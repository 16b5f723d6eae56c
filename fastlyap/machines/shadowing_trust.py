"""What speaks against a shadowing gradient: modes, exponents near zero, tangencies, conditioning."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.machines.gradient_assembly import spread_of
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.shadowing_pilot import SIGNIFICANT, Choice
from fastlyap.request import GradientRequest

ILL_CONDITIONED = 1e9
# Lorenz' attractor comes to 30 at rho = 28 and to some 1e3 near 40, with errors that hold; of 40 random networks and 13
# values of rho all 13 cases beyond 1e4 had useless means, one of them, at 2e4, without a sign in the members' spread
COEFFICIENTS = 1e4


def judged(request: GradientRequest, choice: Choice, found: Any, checks: Any, neutral: bool) -> dict[str, Any]:
    """The stats of every point; `checks` learns what speaks against them."""
    points, E = request.points, request.repetitions
    shape = request.members.shape[:-1]
    good = (found.members.status < status.NOT_FINITE).reshape(points, E)
    met = spread_of(found.exponents.reshape(points, E, -1), good)
    mean, error = met.mean, met.stderr if E > 1 else np.zeros_like(met.mean)
    size = found.coefficients.reshape(points, E, 2, -1)
    with np.errstate(all="ignore"):
        ratio = size[:, :, 0] / size[:, :, 1]
        ratio = np.where(good[..., None] & (choice.modes > 0)[:, None, None], ratio, 1.0).max(axis=(1, 2))
        u = (mean > SIGNIFICANT * error).sum(axis=1)
    conditioning = np.where(good, found.conditioning.reshape(points, E), 0.0).max(axis=1)
    gap, narrow = _gap(mean, error, neutral)
    checks.doubt(~choice.neutral, Reason.NO_NEUTRAL)
    checks.doubt(~(ratio <= COEFFICIENTS), Reason.TANGENCY)
    checks.doubt(narrow, Reason.NARROW)
    checks.doubt(conditioning > ILL_CONDITIONED, Reason.PARALLEL)
    if getattr(request.method, "solver", "") == "march":
        wrong = choice.modes != choice.unstable
        checks.doubt(wrong, Reason.MARCH)
    elif hasattr(request.method, "solver"):
        need = np.where(choice.unstable < 0, u, choice.unstable)
        few = choice.modes < need + (neutral & (choice.modes > 0))
        checks.doubt(few, Reason.FEW_MODES)
    return {
        "modes": choice.modes, "segment": choice.segment, "exponents": _filled(mean, request).reshape(*shape, -1),
        "exponents_stderr": _filled(error, request).reshape(*shape, -1),
        "unstable": np.where(choice.unstable < 0, u, choice.unstable),
        "gap": gap, "conditioning": conditioning, "largest_coefficient": ratio,
    }  # fmt: skip


def _filled(values: np.ndarray, request: GradientRequest) -> np.ndarray:
    """(points, modes) as (points, n), NaN behind the modes carried: no point's shape depends on the others."""
    return np.pad(values, ((0, 0), (0, request.system.dim - values.shape[1])), constant_values=np.nan)


def _gap(mean: np.ndarray, error: np.ndarray, neutral: bool) -> tuple[np.ndarray, np.ndarray]:
    """The smallest |exponent| of each point, a flow's neutral one left out, and whether it could be zero."""
    size = np.abs(mean)
    if neutral and size.shape[1]:
        size[np.arange(len(size)), np.argmin(np.where(np.isnan(size), np.inf, size), axis=1)] = np.nan
    with np.errstate(all="ignore"):
        narrow = np.any(size < SIGNIFICANT * error, axis=1)
        gap = np.min(np.where(np.isnan(size), np.inf, size), axis=1, initial=np.inf)
    return np.where(np.isinf(gap), np.nan, gap), narrow
