"""Spectra restricted to an invariant subspace of the tangent space: transversal exponents of synchronised states.

The subspace is spanned by orthonormal rows U; frames begin in it and are projected onto it after every step. Whether
J(x) keeps it is looked at where members start and where they end. Pecora & Carroll, Phys.
Rev. Lett. 80 (1998) 2109; Ashwin, Buescu & Stewart, Nonlinearity 9 (1996) 703.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap import cast, status
from fastlyap.definition import Subspace
from fastlyap.errors import InputError
from fastlyap.machines import delays, exponential, noise
from fastlyap.request import Integration, Members
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.evaluate import evaluate
from fastlyap.trace.module import Module
from fastlyap.trace.restricted import restrict

INDEPENDENT = 1e-10  # smallest singular value of the rows, in units of the largest
ON_THE_SET = 1e-12  # U x of a state that counts as 0
LEAK = 1e-6  # how far J may turn a vector of the subspace out of it, in units of |J|


def restricted(system: Any, rows: Any, direction: str) -> Any:
    """The system with tangents in the span of `rows` (q, n), q < n."""
    array = cast.real_array("subspace", rows)
    n = system.dim
    if array.ndim != 2 or array.shape[1] != n or not 1 <= len(array) < n:
        raise InputError(
            f"`subspace` must have shape (q, {n}), its q < {n} rows spanning the tangents to keep, got {array.shape}."
        )
    values, U = np.linalg.svd(array, full_matrices=False)[1:]
    if values[-1] <= INDEPENDENT * values[0]:
        rank = int(np.sum(values > INDEPENDENT * values[0]))
        raise InputError(f"`subspace` must have independent rows, got {len(array)} rows of rank {rank}.")
    if system.recording is None or system.delays:
        raise InputError(f"`subspace` needs a recorded rule without delays; {system.name} is of another kind.")
    if direction != "tangent":
        raise InputError('`subspace` needs direction="tangent": covectors do not stay where tangents do.')
    return replace(system, subspace=Subspace(U, False))


def placed(system: Any, how: Integration, members: Members) -> Any:
    """The restricted system for these members; refuses a subspace that is not invariant where they start.

    States are held where U x = 0 if all members start there and the rule keeps them there: the synchronised states of
    transversal directions. In exact arithmetic that changes nothing; rounding would part the halves otherwise.
    """
    x, p = members.x, members.p
    found = leak(system, x, p, how.t0)
    if np.any(found > LEAK):
        raise InputError(
            f"`subspace` is not invariant at `x0`: the Jacobian of {system.name} turns {found.max():.1e} of it out of "
            "it. Transversal exponents need a start on the invariant set, in a synchronised state, say."
        )
    U = system.subspace.rows
    after = evaluate(system.recording.outputs, x.T, p[:, : system.flat_parameters.size].T, how.t0)
    after = np.broadcast_to(after, x.T.shape).T
    held = all(np.all(np.abs(y @ U.T) <= ON_THE_SET * (1.0 + np.abs(y).max(axis=1)[:, None])) for y in (x, after))
    return replace(system, subspace=Subspace(U, held))


def exponent_count(k: Any, system: Any, members: Members) -> int:
    """k leading exponents, at most as many as the tangents have dimensions."""
    if system.subspace is None:
        return delays.exponent_count(k, system, members)
    q = len(system.subspace.rows)
    if k is not None and cast.count("k", k, 1) > q:
        raise InputError(f"`k` must be at most the dimension of the subspace, {q}, got {k}.")
    return q if k is None else int(k)


def told(system: Any) -> dict[str, Any]:
    """The subspace as plain values for a result's settings; nothing without one."""
    found = system.subspace
    return {} if found is None else {"subspace": found.rows.ravel().tolist(), "held": found.held}


def retold(system: Any, settings: dict[str, Any]) -> Any:
    """The system with the subspace of a result's settings."""
    if "subspace" not in settings:
        return system
    rows = np.array(settings["subspace"]).reshape(-1, system.dim)
    return replace(system, subspace=Subspace(rows, bool(settings["held"])))


def leak(system: Any, x: np.ndarray, p: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    """|(1 - U'U) J U'| / |J| at states x (B, n), (B,)."""
    n, U = system.dim, system.subspace.rows
    rows = jacobian_rows(system.recording.outputs)
    places = [(i, j) for i, row in enumerate(rows) for j in row]
    entries = [node for row in rows for node in row.values()]
    J = np.zeros((len(x), n, n))
    with np.errstate(all="ignore"):
        if entries:
            found = evaluate(entries, x.T, p[:, : system.flat_parameters.size].T, t)
            i, j = np.transpose(places)
            J[:, i, j] = np.broadcast_to(found, (len(entries), len(x))).T
        image = J @ U.T
        off = image - U.T @ (U @ image)
        size = np.linalg.norm(J, axis=(1, 2))
        return np.linalg.norm(off, axis=(1, 2)) / np.where(size > 0, size, 1.0)


def judged(system: Any, x: np.ndarray, p: np.ndarray, t: np.ndarray | float, code: np.ndarray) -> np.ndarray:
    """Statuses, UNTRUSTED for members that end at states x (B, n) where the subspace is no longer kept."""
    if system.subspace is None:
        return code
    left = (code < status.UNTRUSTED) & ~(leak(system, x, p, t) <= LEAK)
    return np.where(left, status.UNTRUSTED, code).astype(np.int8)


def rows_of(system: Any) -> tuple[np.ndarray, bool]:
    """Orthonormal rows to project with, and whether they are what is kept, or what is taken away."""
    U = system.subspace.rows
    if 2 * len(U) <= system.dim:
        return U, True
    return np.linalg.svd(U)[2][len(U) :], False


def extension(system: Any, how: Integration) -> Callable[[np.ndarray], np.ndarray]:
    """What puts all that a program needs behind the parameters (B, ...) of members."""
    extended = exponential.extension(system, how)
    if system.subspace is None:
        return extended
    flat = rows_of(system)[0].ravel()
    return lambda p: np.concatenate([extended(p), np.broadcast_to(flat, (len(p), len(flat)))], axis=1)


def module_of(made: Module, system: Any, integrator: str) -> Module:
    """The module of the system, with projections after every step where there is a subspace."""
    if system.subspace is None:
        return made
    rows, keep = rows_of(system)
    at = noise.columns(system) + exponential.columns(system, integrator)
    return restrict(made, n=system.dim, at=at, count=len(rows), keep=keep, held=system.subspace.held)
