"""The module of an augmented map for its linear response: shadowing, and second derivatives along pairs of vectors.

The number eps f_x(x, theta) e is printed like an objective; eps and e are read behind the parameters. Its gradient by
(x, theta) is the source eps f_xx e of the unstable part, and eps f_xtheta e.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlyap.trace.augment import widened
from fastlyap.trace.derivatives import ZERO, jacobian_rows
from fastlyap.trace.graph import Node, leaf, make
from fastlyap.trace.module import Module
from fastlyap.trace.printer import function
from fastlyap.trace.recorder import Recording
from fastlyap.trace.sensitivity import form_of, print_as
from fastlyap.trace.shadowing import assemble_shadowing

_ENTRIES = """

from fastlyap.kernel import response


@entry
def push_forward(T, A, P, W, E, lo, hi, modes, length, t0, dt, first, n_segments, rtol, atol):
    for b in range(lo, hi):
        response.push_forward(model, stepper, rows(T[b]), rows(A[b]), rows(P[b]), rows(W), rows(E[b]), {own}, modes,
                              length, t0, dt, first, n_segments, rtol, atol)


@entry
def respond_back(S, T, A, P, W, X, Y, V, E, F, Z, lo, hi, count, modes, columns, pairs, length, segment, t0, dt, first,
                 n_steps, at, rtol, atol):
    for b in range(lo, hi):
        response.respond_back(model, stepper, puller, step_back, feed, curve, rows(S[b]), rows(T), rows(A[b]),
                              rows(P[b]), rows(W), rows(X), rows(Y[b]), rows(V[b]), rows(E[b]), rows(F[b]), rows(Z),
                              {own}, count, modes, columns, pairs, length, segment, t0, dt, first, n_steps, at, rtol,
                              atol)

"""


def contracted(recording: Recording, columns: Sequence[int], pairs: int) -> Recording:
    """eps f_x e on the augmented state; eps_i and e_j are the parameters `pairs` + i and `pairs` + n + j."""
    n = recording.dim
    terms: list[Node] = []
    for i, row in enumerate(jacobian_rows(recording.outputs)):
        for j, entry in row.items():
            weight = make("mul", leaf("p", pairs + i), leaf("p", pairs + n + j))
            terms.append(make("mul", weight, entry))
    total = ZERO
    for term in terms:
        total = term if total is ZERO else make("add", total, term)
    return widened(recording, (total,), columns)


def _curve(recording: Recording, form: str, far: int) -> tuple[str, int]:
    """The function that adds the gradient of `contracted` to a covector, and the rows it takes behind row `far`."""
    n = recording.dim
    text, m = print_as("curve", recording, form)
    return text + function("curve", "t, S, o, P, W", [
        "x = get(S, 0)",
        f"curve_linearise(like(S[0], t), x, P, W, {far}, slot(W, {far + m}, {n}))",
        f"w = unit(like(S[0], 1.0), x, slot(W, {far + m}, {n}))",
        f"a = curve_adjoint(W, {far}, P, w, slot(W, {far + m + n}, {n}))",
        f"put(S, o, axpy(like(S[0], 1.0), a, get(S, o), slot(W, {far + m + 2 * n}, {n})))",
    ], None), m + 3 * n  # fmt: skip


def assemble_response(
    system: Any, wide: Any, objectives: Sequence[Recording], columns: Sequence[int], pairs: int, width: int
) -> Module:  # fmt: skip
    """The module of the map `system`, augmented as `wide`, with its objectives on the augmented state."""
    made = assemble_shadowing(system.dim, wide, objectives, "map", width)
    recording = contracted(system.recording, columns, pairs)
    text, more = _curve(recording, form_of(wide.dim), made.stored)
    return made._replace(
        text=made.text + "\n\n" + text + _ENTRIES.format(own=system.dim), stored=made.stored + more
    )  # fmt: skip
