"""Delay systems on the host: where the delays lie between steps, and what the rows of members begin with.

The layout of the rows is that of `kernel.delayed`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.kernel import layout
from fastlyap.machines.rows import new_accumulators
from fastlyap.request import Extent, Integration, Members

TIMES = np.array([0.0, 0.5, 1.0])  # of the stages, in steps
ROUNDING = 1e-12  # a delay so close to a whole number of steps is that number
MOST_STEPS = 2**20


def columns(system: Any) -> int:
    """Columns of `Members.p` behind the parameters, for the delays."""
    return 3 * layout.PLACE * len(system.delays)


def members(system: Any, how: Integration, x0: Any, parameters: Any) -> Members:
    """As `cast.members`; `x0` of a delay system is also a function of t <= 0, and places follow the parameters."""
    if not callable(x0):
        return placed(cast.members(system, x0, parameters), system, how)
    if not system.delays:
        raise InputError(f"`x0` must be an array for {system.name}, which has no delay, got a function.")
    batch = placed(cast.members(system, _value(x0, 0.0, None), parameters), system, how)
    return replace(batch, past=_sampled(x0, how.dt, int(_slots(batch.p, system).max(initial=1)), batch))


def placed(batch: Members, system: Any, how: Integration) -> Members:
    """The members with the places of their delays behind the parameters; as they are where there are no delays."""
    if not system.delays:
        return batch
    names = np.repeat(list(system.parameters), [np.size(value) for value in system.parameters.values()])
    p = batch.p[:, : len(names)]
    tau = p[:, [int(np.flatnonzero(names == name)[0]) for name in system.delays]]
    ratio = tau / how.dt
    for d, name in enumerate(system.delays):
        _check(name, tau[:, d], how.dt)
    whole = np.round(ratio)
    ratio = np.where(np.abs(ratio - whole) <= ROUNDING * whole, whole, ratio)
    batch = replace(batch, p=np.concatenate([p, _places(ratio).reshape(len(p), columns(system))], axis=1))
    return replace(batch, extent=_extent(system, batch))


def _check(name: str, tau: np.ndarray, dt: float) -> None:
    if np.any(tau <= 0):
        raise InputError(f"`{name}` is a delay and must be > 0, got {tau.min():g}.")
    if np.any(tau < dt * (1 - ROUNDING)):
        raise InputError(f"`{name}` is a delay and must be at least a step, dt = {dt:g}, got {tau.min():g}; use a "
                         f"smaller `dt`.")  # fmt: skip
    if np.any(tau > MOST_STEPS * dt):
        raise InputError(f"`{name}` must be at most {MOST_STEPS} steps of dt = {dt:g}, got {tau.max():g}; use a larger "
                         f"`dt`.")  # fmt: skip


def _places(ratio: np.ndarray) -> np.ndarray:
    """(B, D, 3, PLACE) of delays in steps (B, D): steps back, weights of x, h x' there and of x, h x' a step later."""
    ago = ratio[..., None] - TIMES
    back = np.maximum(np.ceil(ago), 1.0)
    s = back - ago
    r = 1.0 - s
    return np.stack([back, (1 + 2 * s) * r * r, s * r * r, s * s * (3 - 2 * s), -s * s * r], axis=-1)


def _slots(p: np.ndarray, system: Any) -> np.ndarray:
    """(B,) slots M of the rings of members with placed parameters."""
    first = system.flat_parameters.size
    return p[:, first :: 3 * layout.PLACE].max(axis=1).astype(np.int64) + 1


def _value(history: Callable, t: float, shape: tuple[int, ...] | None) -> np.ndarray:
    """A history at time t <= 0; it must have one shape at all times."""
    try:
        found = history(t)
    except Exception as error:
        raise InputError(f"`x0` raised {type(error).__name__} at t = {t:g}: {error}.") from error
    array = cast.real_array(f"x0({t:g})", found)
    if shape is not None and array.shape != shape:
        raise InputError(f"`x0` must return one shape at all times, got {shape} at t = 0 and {array.shape} at {t:g}.")
    return array


def _sampled(history: Callable, dt: float, slots: int, batch: Members) -> np.ndarray:
    """(B, slots, 2, n) of a history: its difference to the start, and h times its slope, i steps ago.

    Slopes are differences of fourth order, one-sided at the start.
    """
    shape = _value(history, 0.0, None).shape
    take = functools.partial(_value, history, shape=shape)
    fine = dt / 64.0
    sides = [48.0 * take(-fine), -36.0 * take(-2 * fine), 16.0 * take(-3 * fine), -3.0 * take(-4 * fine)]
    found = [(take(0.0), (25.0 * take(0.0) - sum(sides)) * 64.0 / 12.0)]
    for i in range(1, slots):
        t = -i * dt
        near, far = take(t + fine) - take(t - fine), take(t + 2 * fine) - take(t - 2 * fine)
        found.append((take(t), (8.0 * near - far) * 64.0 / 12.0))
    past = np.array(found)  # (slots, 2, ..., n)
    past[:, 0] -= past[0, 0].copy()
    n = shape[-1]
    past = np.broadcast_to(past.reshape(slots, 2, *(1,) * (len(batch.shape) + 1 - len(shape)), *shape),
                           (slots, 2, *batch.shape, n))  # fmt: skip
    return np.moveaxis(past.reshape(slots, 2, len(batch), n), 2, 0)


def _extent(system: Any, batch: Members) -> Extent:
    """How much the vectors of a batch with placed delays hold."""
    n, slots = system.dim, _slots(batch.p, system)
    back = batch.p[:, system.flat_parameters.size :: layout.PLACE]
    alike = len(batch) < 2 or bool(np.all(back == back[:1]))
    most = int(slots.max(initial=1))
    return Extent(n + 2 * n * most, n + 2 * n * (int(slots.min(initial=most)) - 1), alike)


def exponent_count(k: Any, system: Any, batch: Members) -> int:
    """k leading exponents, of as many as the shortest history has; by default as many as there are states."""
    found = batch.extent
    if k is None or found is None:
        return cast.exponent_count(k, system.dim)
    k = cast.count("k", k, 1)
    if k > found.least and len(batch):
        raise InputError(
            f"`k` must be at most {found.least}, the dimension of the state and its stored history, got {k}; a "
            "smaller `dt` stores more."
        )
    return k


def state_rows(n: int, k: int, rows: int | None) -> int:
    """Rows of `S` for vectors of so many rows, of n without a history."""
    return layout.state_rows(n, k) if rows is None else 2 * n + 2 + (k + 1) * rows


def initial_frame(size: int, k: int, seed: int) -> np.ndarray:
    """k orthonormal extended vectors (k, size): now, then (x, h f) one step ago, two steps ago ..."""
    q, r = np.linalg.qr(np.random.default_rng([seed, size]).standard_normal((k, size)).T)
    return np.ascontiguousarray((q * np.sign(np.diag(r))).T)


def starts(system: Any, batch: Members, k: int, *, seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each size of history (members, extended states, their common frame), in the order of `initial_frame`."""
    n, slots = system.dim, _slots(batch.p, system)
    found = []
    for M in np.unique(slots):
        index = np.flatnonzero(slots == M)
        E = np.zeros((len(index), M + 1, 2, n))
        E[:, :, 0] = batch.x[index, None]
        if batch.past is not None:
            E[:, :M] += batch.past[index, :M]
        size = n + 2 * n * int(M)
        found.append((index, E.reshape(len(index), -1), initial_frame(size, k, seed)))
    return found


def new_rows(system: Any, batch: Members, k: int, *, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows S and A of members at their start, with k vectors of up to `rows` rows."""
    n = system.dim
    S = np.zeros((len(batch), state_rows(n, k, rows)))
    for index, E, frame in starts(system, batch, k, seed=seed):
        size = frame.shape[1]
        first = 2 * n + 2 + size
        S[index, :n] = E[:, :n]
        S[index, 2 * n + 1] = size
        S[np.ix_(index, np.arange(2 * n + 2, 3 * n + 2))] = E[:, n : 2 * n]
        S[np.ix_(index, np.arange(3 * n + 2, first))] = _ring(E[:, 2 * n :], n)
        vectors = np.concatenate([frame[:, :n], _ring(frame[:, n:], n)], axis=1)
        S[np.ix_(index, np.arange(first, first + k * size))] = vectors.ravel()
    return S, new_accumulators(len(batch), k)


def _ring(history: np.ndarray, n: int) -> np.ndarray:
    """Pairs (x, h f) from the latest to the earliest as the slots of a ring at age 0: the other way round."""
    slots = history.shape[1] // (2 * n)
    return history.reshape(-1, slots, 2 * n)[:, ::-1].reshape(history.shape)


def check_ready(system: Any, batch: Members) -> None:
    """Refuse a request of a delay system whose delays have no places."""
    if system.delays and batch.p.shape[1] != system.flat_parameters.size + columns(system):
        raise InputError(f"`system` {system.name} has a delay, with which this function cannot be used.")
