"""Batches of recurrent cells whose covectors carry the parameters' gradients beside them, on the CPU.

A gradient is one row of numbers, the parameters of `wrt` one behind the other: as the kernels lay them out, which
differs from how they are told only for the hidden weights of the original gated unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlyap.backend.cpu import Kernels, options
from fastlyap.backend.segments import SegmentBatch
from fastlyap.backend.sensitivity import SensitivityBatch
from fastlyap.definition import SIZE
from fastlyap.kernel import cell_adjoint as layout
from fastlyap.kernel.cells import LAST, PLACES
from fastlyap.request import Integration
from fastlyap.trace import cache, cell_gradients
from fastlyap.trace.cells import FORMULAS

WORDS = ("input", "hidden", "bias", "hidden_bias")


class Wanted(NamedTuple):
    """Which parameters a gradient holds.

    where : place of each array in a gradient, -1 where it is not wanted, then of the noise's size, and the length;
    order : for each number as it is told, its place as laid out, None where these are the same
    """

    where: np.ndarray
    order: np.ndarray | None

    @property
    def size(self) -> int:
        """Numbers of a gradient."""
        return int(self.where[-1])


def wanted(system: Any, names: Sequence[str]) -> Wanted:
    """The layout of gradients by these parameters of a cell."""
    about, places = system.architecture, {}
    for layer in range(about.layers):
        places |= {f"{layer}.{word}": PLACES * layer + i for i, word in enumerate(WORDS)}
    last = PLACES * about.layers
    places |= {"readout.weight": last, "readout.bias": last + 1, SIZE: last + LAST, "g": 2}
    where, begin, order, H = np.full(last + LAST + 2, -1), 0, [], about.hidden
    for name in names:
        shape = system.shapes[name]
        size = int(np.prod(shape, dtype=int))
        where[places[name]] = begin
        number = np.arange(size).reshape(shape)
        if about.kind == "gru_original" and name.endswith(".hidden"):
            flat = np.concatenate([number[:, : 2 * H].ravel(), number[:, 2 * H :].ravel()])
            number = np.argsort(flat)
        order.append(begin + number.ravel())
        begin += size
    where[-1] = begin
    told = np.concatenate([*order, np.zeros(0, dtype=int)])
    return Wanted(where, None if np.array_equal(told, np.arange(begin)) else told)


def seats(about: Any, k: int, size: int, normals: int) -> tuple[np.ndarray, int]:
    """Where the seats of the room of k covectors begin, and the length of the room."""
    found, H, G, R = FORMULAS[about.kind], about.hidden, about.gates * about.hidden, layout.ROWS
    counts = []
    for layer in range(about.layers):
        counts += [R * H, R * (H if layer else about.inputs), R * H, k * R * G, k * R * found.shared * H, k * R * H]
    largest = max(int(np.prod(shape)) for shape in about.shapes.values()) if size else 0
    counts += [k * R * about.inputs, largest, normals]
    if not size:
        counts = [0] * (len(counts) - 1) + [normals]
    begin = np.concatenate([[0], np.cumsum(counts)])
    return begin[:-1], int(begin[-1]) + 1


class CellKernels(Kernels):
    """Kernels of a cell, and what its gradients hold."""

    def __init__(self, *given: Any, wanted: Wanted, system: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.wanted, self.system = wanted, system

    def with_gradients(self, P: tuple, members: int, k: int) -> tuple:
        """What the entry points get: `P` and, behind it, gradients of zero and the room; see `kernel.cell_adjoint`."""
        system, size = self.system, self.wanted.size
        V = system.noise_directions
        begin, length = seats(system.architecture, k, size, system.noise_count)
        pool, places = P[:2]
        noise = P[2] if len(P) > 2 else np.zeros((members, 1))
        inverse = np.zeros((1, 1)) if V is None else np.linalg.pinv(V)
        return (
            pool, places, noise, np.zeros((members, k * size + 1)), self.wanted.where, np.zeros(length), begin,
            np.zeros(1, dtype=np.int64), np.ascontiguousarray(inverse),
        )  # fmt: skip


def load(
    system: Any, how: Integration, objectives: Sequence[Any], names: Sequence[str], pool: np.ndarray, *, path: bool
) -> CellKernels:
    """Import the kernels of a cell for gradients by these parameters."""
    made = cell_gradients.assemble(system, tuple(objectives), path)
    return CellKernels(
        made, lambda: cache.load(made.text, options(1, how.dtype)), width=1, how=how, dim=system.dim, form="dense",
        pool=pool, wanted=wanted(system, names), system=system,
    )  # fmt: skip


class _Gradients:
    """What batches of cells do otherwise than those of augmented systems: gradients lie beside the covectors."""

    kernels: CellKernels
    members: int
    k: int

    def __init__(self, kernels: Any, rows: np.ndarray, theta: np.ndarray, P: np.ndarray, k: int) -> None:
        super().__init__(kernels, rows, theta, P, k)  # type: ignore[call-arg]
        self.P = kernels.with_gradients(self.P, len(rows), k)

    def covectors(self) -> tuple[np.ndarray, np.ndarray]:
        """The covectors (w, g) of every member, (B, k, n) and (B, k, p)."""
        w, _ = super().covectors()  # type: ignore[misc]
        size, order = self.kernels.wanted.size, self.kernels.wanted.order
        found = self.P[3][:, :-1].reshape(self.members, self.k, size)
        return w, found.copy() if order is None else found[..., order]

    def forget_gradient(self) -> None:
        """Set g of all covectors to zero; w stays."""
        self.P[3][:] = 0.0

    def set_covectors(self, w: np.ndarray) -> None:
        """Set the state's part of the covectors, (B, k, n), and forget the gradient."""
        super().set_covectors(w)  # type: ignore[misc]
        self.forget_gradient()


class CellBatch(_Gradients, SensitivityBatch):
    """Cells with k covectors each."""


class CellSegmentBatch(_Gradients, SegmentBatch):
    """Cells whose covectors walk back in segments."""
