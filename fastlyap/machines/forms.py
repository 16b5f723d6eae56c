"""Which form a system's functions take: tuples of values, rows, a full Jacobian, or the user's own kernels."""

from __future__ import annotations

from typing import Any

from fastlyap.trace.dense_printer import is_dense
from fastlyap.trace.module import LARGEST_TUPLE

LARGEST_DENSE = 400  # entries of larger Jacobians take too long to print
EVEN = 140  # states at which products of matrices are as fast as lanes that are all in use
SHORT, LEAST = 8, 0.45  # with fewer vectors than SHORT filling the matrix decides: never more than LEAST as fast


def form_of(system: Any, k: int, members: int, lanes: int) -> str:
    """The form that is fastest for k tangent vectors of so many members, on a machine with so many lanes."""
    if system.architecture is not None:
        return "dense"
    if system.recording is None:
        return "kernels"
    if system.dim <= LARGEST_TUPLE:
        return "tuples"
    if system.delays:
        return "rows"  # the frame's long vectors leave nothing to a full Jacobian
    return "dense" if products_pay(system.dim, k, members, lanes) and is_dense(system.recording) else "rows"


def products_pay(n: int, k: int, members: int, lanes: int) -> bool:
    """Whether products of matrices, one member at a time, beat lanes, of which a small batch leaves some idle.

    Measured for n = 24 ... 200: with full lanes products reach n / EVEN of their speed.
    """
    speed = n / EVEN if k >= SHORT else min(n / EVEN, LEAST)
    return n <= LARGEST_DENSE and speed * lanes >= min(max(members, 1), lanes)
