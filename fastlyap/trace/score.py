"""The module of an augmented noisy system for the path-kernel: the step without noise, and its noise beside it.

The noise is added after the step of the state it began with, x' = step(x) + s(x) V w, so that the derivatives of the
two are apart. For maps and Euler's method this is the same step as elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap.kernel import layout
from fastlyap.trace.graph import topological
from fastlyap.trace.module import PRINTERS, STEPPERS, Module, compose
from fastlyap.trace.noise import increments, lowered
from fastlyap.trace.recorder import Recording
from fastlyap.trace.sensitivity import extend, form_of, print_as, stage_rows

SCALES = {"map": "1.0", "euler": "math.sqrt(dt)", "rk4": "math.sqrt(dt)"}  # of the normals; its square is the variance
SQUARES = {"map": "1.0", "euler": "dt", "rk4": "dt"}

_NOISY = """import math

from fastlyap.kernel import layout, score, stochastic
from fastlyap.kernel.lanes import slot


@kernel
def noisy(model, t, dt, S, A, P, W, k, full, rtol, atol):
    stochastic.draw({n}, {q}, {at}, S, P, like(S[0], {scale}))
    push = push_rule(like(S[0], t), get(S, 0), P, W, {far}, slot(W, {out}, {n}))
    {stepper}(model, t, dt, S, A, P, W, k, full, rtol, atol)
    put(S, 0, axpy(like(S[0], 1.0), push, get(S, 0), slot(W, {more}, {n})))


"""
_STEP = """from fastlyap.kernel import sensitivity

SPREAD = np.array({spread!r})
INSIDE = np.array({inside!r})
noise = score.Score({own}, {q}, {normals}, {share}, {far}, {rows}, {directed}, {varies}, SPREAD, INSIDE, sizes_rule,
                    sizes_linearise, sizes_adjoint, push_linearise, push_adjoint)


@kernel
def back(t, dt, S, A, P, W, X, F, place, keep, k, rtol, atol):
    score.path_step(model, noise, stepper, puller, t, dt, {square}, S, A, P, W, F, place, keep, k, rtol, atol)


"""


def obstacle(system: Any, integrator: str) -> str:
    """Why noise cannot carry derivatives of this system, in words, with advice; empty where it can."""
    if not system.noise_count:
        return "it has no noise; add some: system.with_noise(0.1), say"
    rule = () if system.architecture is not None else system.recording.outputs
    if system.noise_recording is None or any(n.op == "w" for n in topological(rule)):
        return "its rule draws random numbers itself; only noise that is added after the rule has a score"
    if integrator not in SCALES:
        return f"the integrator {integrator!r} mixes noise and step; use \"euler\", or with additive noise \"rk4\""
    sizes = {node.digest for node in system.noise_recording.outputs}
    if system.noise_directions is not None and len(sizes) > 1:
        return "its noise has directions and sizes that differ; use one size with directions, or sizes without them"
    return ""


def tables(directions: np.ndarray | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(V+', Pi): the score of the normals as a covector of the state, and the projection onto the directions."""
    if directions is None:
        return np.zeros((1, 1)), np.zeros((1, 1))
    inverse = np.linalg.pinv(directions)
    return inverse.T, directions @ inverse


def share_row(system: Any) -> int:
    """The row of P, behind the normals of a step, that holds a member's 1 - beta."""
    return system.flat_parameters.size + layout.KEYS + system.noise_count


def assemble_score(
    system: Any, wide: Any, objectives: Sequence[Recording], integrator: str, width: int
) -> Module:  # fmt: skip
    """The module for the path-kernel.

    `system` as it is, `wide` augmented. Behind the normals of a step `P` has one more row, see `share_row`.
    """
    own, n, q, form = system.dim, wide.dim, system.noise_count, form_of(wide.dim)
    at = system.flat_parameters.size
    normals = at + layout.KEYS
    sizes = wide.noise_recording
    push = Recording(
        n, lowered(increments(None, sizes, tuple(map(tuple, wide.noise_directions))), normals), sizes.parameter_names,
        sizes.parameter_shapes,
    )  # fmt: skip
    functions, m = PRINTERS[form][0](wide.recording)
    stages, stepper, puller, step_back = STEPPERS[integrator]
    far = stages * m + 10 * n + 8
    texts, rows = zip(*(print_as(name, r, form) for name, r in (("sizes", sizes), ("push", push))), strict=True)
    functions += PRINTERS[form][1](n) + "".join(texts)
    functions += _NOISY.format(
        n=n, q=q, at=at, scale=SCALES[integrator], stepper=stepper, far=far, out=far + max(rows),
        more=far + max(rows) + n,
    )  # fmt: skip
    made = compose(
        functions, n=n, stored=m, integrator=integrator, width=width,
        title=f"{own} states, {n - own} parameters, noise apart, {form}, {integrator}, {width} lanes",
        stepping=(stages, "noisy", puller, step_back),
    )  # fmt: skip
    assert stage_rows(made, n) == far
    spread, inside = tables(system.noise_directions, own)
    step = _STEP.format(
        spread=spread.tolist(), inside=inside.tolist(), own=own, q=q, normals=normals, share=share_row(system),
        far=far, rows=max(rows), directed=system.noise_directions is not None, varies=_varies(sizes),
        square=SQUARES[integrator],
    )  # fmt: skip
    return extend(made, objectives, n, step=step, taken=max(rows) + 5 * n + 2)


def _varies(sizes: Recording) -> bool:
    return any(node.op == "x" for node in topological(sizes.outputs))
