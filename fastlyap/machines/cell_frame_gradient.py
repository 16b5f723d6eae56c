"""Gradients of finite-time exponents of recurrent cells: products with the weights, and factors of the frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend.frame_gradient import factor, log_growth, pull_factor
from fastlyap.hardware import one_blas_thread
from fastlyap.machines.run import Pace
from fastlyap.networks.second_order import push
from fastlyap.networks.tape import Tape

KEPT = 2**27  # bytes of intermediate results that are kept for the way back; beyond, they are found again


class _Members:
    """Some members of a cell's batch: weights {key: (B, own shape)} and inputs (B, T, m)."""

    def __init__(self, request: Any, part: slice) -> None:
        members, system = request.members, request.system
        self.about, self.x, shape = system.architecture, members.x[part], members.shape
        self.weights = {}
        for key, own in self.about.shapes.items():
            whole = np.broadcast_to(members.parameters[key], shape + own)
            self.weights[key] = whole.reshape(-1, *own)[part] if whole.strides[: len(shape)] != (0,) * len(shape) else (
                np.broadcast_to(whole[(0,) * len(shape)], (len(self.x), *own)))  # fmt: skip
        self.drive = None
        if members.drive is not None:
            u = np.broadcast_to(members.drive, shape + members.drive.shape[-2:])
            self.drive = u.reshape(-1, *u.shape[-2:])[part]
        self.first = int(request.integration.t0)

    def step(self, Z: np.ndarray, number: int) -> Tape:
        """Step `number` from the stack Z (B, 1 + k, n)."""
        u = None if self.drive is None else self.drive[:, (self.first + number) % self.drive.shape[1]]
        return push(self.about, self.weights, Z, u)


class _Interval:
    """The steps up to one factorisation, from the stack Z (B, 1 + k, n) on; what was done on the way is kept, or done
    again when it is needed."""

    def __init__(self, members: _Members, Z: np.ndarray, first: int, n_steps: int) -> None:
        self.members, self.Z, self.first, self.n_steps = members, Z, first, n_steps
        self._tapes: list[Tape] = []

    def run(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The states (B, 1, n) at the end, Q and R."""
        if not self._tapes:
            Z = self.Z
            for number in range(self.first, self.first + self.n_steps):
                self._tapes.append(self.members.step(Z, number))
                Z = self._tapes[-1].stacks[-1]
            self._factors = factor(Z[:, 1:])
        return self._tapes[-1].stacks[-1][:, :1], *self._factors

    @property
    def bytes(self) -> int:
        """What is kept, about: slopes and second derivatives are as large as the stacks."""
        return sum(2 * Z.nbytes for tape in self._tapes for Z in tape.stacks)

    def forget(self) -> None:
        """Keep the start alone."""
        self._tapes = []

    def back(self, covectors: np.ndarray, weights: np.ndarray, gradient: dict[str, np.ndarray]) -> np.ndarray:
        """Covectors (count, B, 1 + k, n) pulled back to the start; weights' gradients added."""
        _, Q, R = self.run()
        inner = pull_factor(Q, R, np.moveaxis(covectors[:, :, 1:], 0, 1), weights)
        covectors = np.concatenate([covectors[:, :, :1], np.moveaxis(inner, 0, 1)], axis=2)
        for tape in reversed(self._tapes):
            covectors = tape.pull(covectors, gradient)
        self.forget()
        return covectors


def chunk(request: Any, part: slice, pace: Pace) -> tuple:
    """The members `part`; as `frame_gradient.Found`."""
    with one_blas_thread(), np.errstate(all="ignore"):
        return _chunk(request, _Members(request, part), pace)


def _chunk(request: Any, members: _Members, pace: Pace) -> tuple:
    x, k, every = members.x, request.k, request.every
    Z = np.concatenate([x[:, None], np.broadcast_to(request.frame, (len(x), *request.frame.shape))], axis=1)
    failed, growth, intervals = np.full(len(x), -1), np.zeros((len(x), k)), list[tuple[_Interval, bool]]()
    kept = 0
    code = np.zeros(len(x), dtype=np.int8)
    for first, n_steps, counts in request.stretches:
        for at in range(first, first + n_steps, every):
            one = _Interval(members, Z, at, min(every, first + n_steps - at))
            x_end, Q, R = one.run()
            kept += one.bytes
            if kept > KEPT:
                one.forget()
            intervals.append((one, counts))
            growth += log_growth(np.diagonal(R, axis1=1, axis2=2)[:, None], counts)
            Z = np.concatenate([x_end, Q], axis=1)
            fresh = (code == 0) & ~(np.abs(Z[:, 0]).max(axis=1) <= request.integration.escape_radius)
            code = np.where(fresh, np.where(np.isnan(Z[:, 0]).any(axis=1), status.NOT_FINITE, status.ESCAPED), code)
            failed = np.where(fresh, at + one.n_steps, failed)
        pace.done(len(x) * n_steps)
    exponents = growth / request.time
    weights = request.weighted(exponents)
    covectors, gradient = np.zeros((weights.shape[1], *Z.shape)), dict[str, np.ndarray]()
    for one, counts in reversed(intervals):
        covectors = one.back(covectors, weights * (counts / request.time), gradient)
        pace.done(2 * len(x) * one.n_steps)
    front = (len(x), weights.shape[1])
    named = {name: np.moveaxis(gradient[name], 0, 1) if name in gradient
             else np.zeros(front + request.system.shapes[name]) for name in request.names}  # fmt: skip
    return exponents, weights, named, np.moveaxis(covectors[:, :, 0], 0, 1), code, failed
