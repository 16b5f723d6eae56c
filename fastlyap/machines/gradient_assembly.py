"""From the gradients of members to a `Gradient`: means, errors, and the checks that every method shares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastlyap import status
from fastlyap.machines import assembly
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.gradient_result import Gradient
from fastlyap.machines.gradient_starts import Starts
from fastlyap.machines.orbit import Members
from fastlyap.request import GradientRequest, NetGradientRequest
from fastlyap.statistics import block_stderr

MANY = 10_000  # parameters, beyond which no medians are taken, and so many of them judge tails
HEAVY = 10.0  # standard deviations against robust ones that make a heavy tail
ALIKE = 1e-13  # relative standard error of members that are equal but for rounding
ROBUST = 1.4826  # standard deviation of a normal law over its median absolute deviation
FEWEST = 8  # members for a judgement on tails
PARTS = {f"{part}_part{of}" for part in ("shadowing", "unstable") for of in ("", "_stderr")}
CHANGES = {"window_change", "window_change_stderr"} | PARTS
APART = 6.0  # block errors between members that make several attractors


class Spread(NamedTuple):
    """Statistics over members (points, E, c), failed ones left out; all (points, c)."""

    mean: np.ndarray
    stderr: np.ndarray
    median: np.ndarray
    median_stderr: np.ndarray
    trimmed: np.ndarray
    kurtosis: np.ndarray
    tail: np.ndarray  # standard deviation over robust standard deviation


def spread_of(values: np.ndarray, good: np.ndarray) -> Spread:
    """The statistics of `values` (points, E, c) over the members of the mask `good` (points, E)."""
    with np.errstate(all="ignore"):
        rows = np.ascontiguousarray(np.swapaxes(values, 1, 2))  # members side by side, which sorts and adds fastest
        here, n = good[:, None], good.sum(axis=1)[:, None]
        mean = np.where(here, rows, 0.0).sum(axis=-1) / n
        square = np.square(np.where(here, rows - mean[..., None], 0.0))
        total = square.sum(axis=-1)
        kurtosis = n * np.square(square, out=square).sum(axis=-1) / total**2 - 3.0
        some = np.sort(np.where(here, rows, np.nan), axis=-1)  # NaN last
        median = _median(some, n)
        place = np.arange(values.shape[1])
        inner = (place >= n[..., None] // 4) & (place < n[..., None] - n[..., None] // 4)
        trimmed = np.where(inner, some, 0.0).sum(axis=-1) / inner.sum(axis=-1)
        robust = ROBUST * _median(np.sort(np.abs(some - median[..., None]), axis=-1), n)
        sd = np.sqrt(total / (n - 1))
        return Spread(mean, sd / np.sqrt(n), median, 1.2533 * robust / np.sqrt(n), trimmed, kurtosis, sd / robust)


def _mean_and_stderr(values: np.ndarray, good: np.ndarray) -> Spread:
    """Of `spread_of` what needs no sorting; NaN for the rest."""
    with np.errstate(all="ignore"):
        here, n = good[..., None], good.sum(axis=1)[:, None]
        mean = np.where(here, values, 0.0).sum(axis=1) / n
        off = np.where(here, values - mean[:, None], 0.0)
        stderr = np.sqrt(np.einsum("pec,pec->pc", off, off) / (n - 1) / n)
        return Spread(mean, stderr, *[np.broadcast_to(np.nan, mean.shape)] * 5)


def one_in_ten(judged: np.ndarray) -> np.ndarray:
    """What one in ten of c parameters exceeds, the largest of fewer than ten, (points, c) -> (points,).

    Of thousands some exceed any bound by chance; where covectors explode nearly all do. Parameters for which more than
    half of the members are equal have no robust deviation and are left out: those behind units that rarely fire.
    """
    known = np.sort(np.where(np.isfinite(judged), judged, -np.inf), axis=-1)
    found = known[:, -1 - judged.shape[1] // 10]
    return np.where(np.isfinite(found), found, np.nan)


def mean_of(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Mean over the members of the mask `good`, (points, E) -> (points,); NaN where there are none."""
    with np.errstate(all="ignore"):
        return np.where(good, values, 0.0).sum(axis=1) / good.sum(axis=1)


def _median(ordered: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The median of sorted values (points, c, E), of which the first n (points, 1) count."""
    last = np.maximum(n - 1, 0)[..., None]
    a, b = (np.take_along_axis(ordered, np.broadcast_to(i, (*ordered.shape[:2], 1)), -1)[..., 0]
            for i in (last // 2, last - last // 2))  # fmt: skip
    return 0.5 * (a + b)


class Checks:
    """The status of every point, and why."""

    def __init__(self, points: int) -> None:
        self.code = np.zeros(points, dtype=np.int8)
        self.reasons: dict[str, np.ndarray] = {}

    def doubt(self, mask: np.ndarray, reason: str) -> None:
        """Points of the mask are `UNTRUSTED`, for this reason."""
        if np.any(mask):
            self.reasons[str(reason)] = mask
            self.code = np.maximum(self.code, np.where(mask, status.UNTRUSTED, 0)).astype(np.int8)


def gradients(
    request: Any, found: Members, starts: Starts, settings: dict[str, Any], checks: Checks,
    stats: dict[str, Any],
) -> tuple[Gradient, ...]:  # fmt: skip
    """One result for each objective. `checks` and `stats` hold what the method has found out, in points."""
    points, E = request.points, request.repetitions
    code, failed = found.status.reshape(points, E), found.failed.reshape(points, E)
    good = code < status.NOT_FINITE
    lost = (~good).sum(axis=1)
    none = lost == E
    checks.doubt((lost > 0) & ~none, Reason.LOST)
    stats = {"method": request.method.name, **stats, "failed_members": lost, "transient": starts.transient}
    if not request.random and E > 1 and request.transient:
        stats["parted"] = starts.parted
        checks.doubt(~starts.parted & ~none, Reason.NOT_PARTED)
    results = []
    for j in range(len(request.objectives)):
        results.append(_one(request, found, starts, settings, checks, dict(stats), good, none, failed, code, j))
    return tuple(results)


def _one(
    request: Any, found: Members, starts: Starts, settings: dict, checks: Checks, stats: dict,
    good: np.ndarray, none: np.ndarray, failed: np.ndarray, code: np.ndarray, j: int,
) -> Gradient:  # fmt: skip
    """The result for objective j."""
    points, E = good.shape
    own = Checks(points)
    stats |= stats.pop("each", [{}] * (j + 1))[j]
    own.code, own.reasons = checks.code.copy(), dict(checks.reasons)
    values = spread_of(found.value[:, j].reshape(points, E, 1), good)
    value_stderr = values.stderr[:, 0]
    blocks = found.blocks[:, :, j].reshape(points, E, -1)
    inside = block_stderr(np.swapaxes(blocks.reshape(points * E, 1, -1), 1, 2), 1.0)[:, 0].reshape(points, E)
    together = np.sqrt(mean_of(inside**2, good))
    exact = request.kind == "terminal" or not request.transient
    if not exact:
        alone = ~starts.parted | (E == 1)
        value_stderr = np.where(alone, together / (1.0 if E == 1 else np.sqrt(E)), value_stderr)
        _several(request, values, found.value[:, j].reshape(points, E), inside, good, own, stats)
    flat = found.gradient[:, j].reshape(points, E, -1)
    many = flat.shape[2] > MANY and not request.keep_members
    some = spread_of(flat[:, :, :: -(-flat.shape[2] // MANY)] if many else flat, good)  # which tell of the tails
    grads = _mean_and_stderr(flat, good) if many else some
    if E >= FEWEST and grads.mean.size:
        varies = some.stderr > ALIKE * np.abs(some.mean)  # else members differ by rounding
        heavy = one_in_ten(np.where(varies, some.tail, np.nan)) > HEAVY
        own.doubt(heavy & ~none, Reason.HEAVY)
        stats["kurtosis"] = one_in_ten(some.kurtosis)
    own.doubt(~np.all(np.isfinite(grads.mean), axis=-1) & ~none, Reason.TOO_LARGE)
    if request.kind == "average":
        with np.errstate(all="ignore"):
            variance = mean_of(found.square[:, j].reshape(points, E), good) - values.mean[:, 0] ** 2
            stats["effective_samples"] = variance / value_stderr**2
    final = np.where(none, code.max(axis=1), own.code).astype(np.int8)
    return _result(request, found, settings, stats, own.reasons, values, value_stderr, grads, final, failed, j)


def _several(
    request: Any, values: Any, single: np.ndarray, inside: np.ndarray, good: np.ndarray, own: Checks,
    stats: dict,
) -> None:  # fmt: skip
    """Members whose means differ by more than their own errors allow are on different attractors."""
    if request.repetitions < 2:
        return
    with np.errstate(all="ignore"):
        middle = values.median
        typical = spread_of(inside[..., None], good).median[:, 0]
        far = np.max(np.where(good, np.abs(single - middle), 0.0), axis=1)
        level = np.maximum(typical, 1e-9 * (1.0 + np.abs(middle[:, 0])))
        stats["multistable"] = far > APART * level * np.sqrt(2.0)
        stats["value_spread"] = far
    own.doubt(stats["multistable"], Reason.SEVERAL)


def _result(
    request: Any, found: Members, settings: dict, stats: dict, reasons: dict, values: Any,
    value_stderr: np.ndarray, grads: Spread, code: np.ndarray, failed: np.ndarray, j: int,
) -> Gradient:  # fmt: skip
    shape, points = request.shape, request.points
    bad = code >= status.NOT_FINITE

    def named(flat: np.ndarray, extra: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
        return _named(request, flat, (*shape, *extra))

    masked = [np.where(bad[:, None], np.nan, a) for a in grads]
    middle = grads.mean.shape[1] <= MANY or request.keep_members
    raw = found.gradient[:, j].reshape(points, request.repetitions, -1)
    for name in CHANGES & stats.keys():
        stats[name] = named(stats[name])
    stats = {name: v.reshape(shape) if isinstance(v, np.ndarray) and v.shape == (points,) else v
             for name, v in stats.items()}  # fmt: skip
    if middle and request.repetitions >= FEWEST:
        stats["trimmed_mean"] = named(masked[4])
    stats["reasons"] = {text: mask.reshape(shape) for text, mask in reasons.items()}
    first = np.where(failed >= 0, failed, np.iinfo(np.int64).max).min(axis=1)
    return Gradient(
        value=np.where(bad, np.nan, values.mean[:, 0]).reshape(shape)[()],
        value_stderr=np.where(bad, np.nan, value_stderr).reshape(shape)[()],
        gradient=named(masked[0]), stderr=named(masked[1]), median=named(masked[2]) if middle else None,
        median_stderr=named(masked[3]) if middle else None,
        members=named(raw, (request.repetitions,)) if request.keep_members else None, status=code.reshape(shape),
        failed_step=np.where(np.any(failed >= 0, axis=1), first, -1).reshape(shape), stats=stats,
        settings=settings, **_labels(request),
    )  # fmt: skip


def _labels(request: GradientRequest | NetGradientRequest) -> dict[str, Any]:
    """What a result says of what it belongs to."""
    if isinstance(request, NetGradientRequest):
        return request.labels
    members, axes = request.members, len(request.shape)
    parameters = {n: v.reshape(v.shape[:axes] + v.shape[axes + 1 :]) for n, v in members.parameters.items()}
    return {
        "parameters": parameters, "x0": members.x.reshape(*members.shape, -1)[..., 0, :], "dims": members.dims[:-1],
        "system": assembly.info(request.system),
    }  # fmt: skip


def _named(
    request: GradientRequest | NetGradientRequest, flat: np.ndarray, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Columns of the gradient by the names of the parameters."""
    found, at = {}, 0
    for name, own in request.own_shapes.items():
        size = int(np.prod(own, dtype=int))
        found[name] = flat[..., at : at + size].reshape((*shape, *own))[()]
        at += size
    return found
