"""The module of an augmented system: its functions, and its objectives with their derivatives.

An objective phi(x, p) is printed by the printers of rules, as the rule of a system whose first component is phi and
whose others are 0: its linearisation and adjoint give the covector (phi_x, phi_theta).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from fastlyap.trace import noise
from fastlyap.trace.foreign_objective import ForeignObjective, expected
from fastlyap.trace.module import LARGEST_TUPLE, PRINTERS, Module, assemble
from fastlyap.trace.printer import function, tuple_of
from fastlyap.trace.recorder import Recording

_FUNCTIONS = re.compile(r"^def (rule|linearise|tangent|adjoint|divergence|stage|add)\(", re.MULTILINE)
_TABLES = re.compile(r"\bT(\d+)\b")

STEP_BACK = """from fastlyap.kernel import sensitivity


@kernel
def back(t, dt, S, A, P, W, X, F, place, keep, k, rtol, atol):
    step_back(model, stepper, puller, t, dt, S, A, P, W, X, k, rtol, atol)


"""
ENTRIES = """@entry
def observe_orbit(S, A, P, W, F, lo, hi, own, count, t0, dt, first, n_steps, radius, rtol, atol):
    for b in range(lo, hi):
        sensitivity.observe_orbit(model, stepper, observe, rows(S[b]), rows(A[b]), rows(P[b]), rows(W), rows(F[b]),
                                  own, count, t0, dt, first, n_steps, radius, rtol, atol)


@entry
def wander(S, A, P, W, X, lo, hi, own, t0, dt, first, n_steps, stride, radius, rtol, atol):
    for b in range(lo, hi):
        sensitivity.wander(model, stepper, rows(S[b]), rows(A[b]), rows(P[b]), rows(W), rows(X[b]), own, t0, dt, first,
                           n_steps, stride, radius, rtol, atol)


@entry
def pull_segment(S, A, P, W, X, F, lo, hi, own, k, t0, dt, first, n_steps, last, cut, weight, keep, rtol, atol):
    for b in range(lo, hi):
        sensitivity.pull_segment(model, stepper, back, feed, rows(S[b]), rows(A[b]), rows(P[b]), rows(W), rows(X),
                                 rows(F[b]), own, k, t0, dt, first, n_steps, last, cut, weight, keep, rtol, atol)


@entry
def feed_end(S, P, W, lo, hi, k, t, weight):
    for b in range(lo, hi):
        feed(t, weight, rows(S[b]), k, rows(P[b]), rows(W))
"""


def form_of(dim: int) -> str:
    """The form of an augmented system's functions; products of full matrices do not pay for a single covector."""
    return "tuples" if dim <= LARGEST_TUPLE else "rows"


def renamed(text: str, prefix: str) -> str:
    """Printed functions under names of their own."""
    return _TABLES.sub(rf"{prefix}_T\1", _FUNCTIONS.sub(rf"def {prefix}_\1(", text))


@functools.lru_cache(maxsize=64)
def print_as(prefix: str, recording: Recording, form: str) -> tuple[str, int]:
    """The functions of a recording as `prefix`_rule, `prefix`_linearise ..., and the rows of their block."""
    text, m = PRINTERS[form][0](recording)
    return renamed(text, prefix), m


def unit(n: int, form: str) -> str:
    """The function that gives the vector (weight, 0, 0 ...)."""
    if form == "tuples":
        return function("unit", "weight, x, out", [], tuple_of(["weight", *["like(weight, 0.0)"] * (n - 1)]))
    return function("unit", "weight, x, out", ["vectors.zero(N, x, out)", "out[0] = weight"], "out")


def _objective(j: int, count: int, n: int, far: int, m: int) -> str:
    """The functions of one objective of `count`: its value, and its covectors added to every count-th of the frame."""
    name = f"phi{j}"
    text = function(f"{name}_value", "t, S, P, W", [
        f"f = {name}_rule(like(S[0], t), get(S, 0), P, W, {far}, slot(W, {far + m}, {n}))",
    ], "f[0]")  # fmt: skip
    return text + function(f"{name}_feed", "t, weight, S, k, P, W", [
        "x = get(S, 0)",
        f"{name}_linearise(like(S[0], t), x, P, W, {far}, slot(W, {far + m}, {n}))",
        f"w = unit(like(S[0], weight), x, slot(W, {far + m}, {n}))",
        f"a = {name}_adjoint(W, {far}, P, w, slot(W, {far + m + n}, {n}))",
        f"for c in range({j}, k, {count}):",
        f"    o = {n + 1} + c * {n}",
        f"    put(S, o, axpy(like(S[0], 1.0), a, get(S, o), slot(W, {far + m + 2 * n}, {n})))",
    ], None)  # fmt: skip


def print_objectives(objectives: Sequence[Recording], form: str, far: int) -> tuple[str, int]:
    """The text of `observe` and `feed`, whose scratch begins at row `far`, and the number of rows they take."""
    n, count = objectives[0].dim, len(objectives)
    text, most = unit(n, form), 0
    for j, objective in enumerate(objectives):
        if isinstance(objective, ForeignObjective):
            functions, m = objective.printed(j, count, far)
            text += functions
        else:
            functions, m = print_as(f"phi{j}", objective, form)
            text += functions + _objective(j, count, n, far, m)
        most = max(most, m)
    lines = [f"F[at + {j}] = wide(phi{j}_value(t, S, P, W))" for j in range(count)]
    text += function("observe", "t, S, P, W, F, at", lines, None)
    lines = [f"phi{j}_feed(t, weight, S, k, P, W)" for j in range(count)]
    return text + function("feed", "t, weight, S, k, P, W", lines, None), most + 3 * n


def stage_rows(made: Module, n: int) -> int:
    """Rows of scratch that a step takes, as in `backend.cpu.Kernels.scratch_rows`."""
    return made.stages * made.stored + 10 * n + 8


def extend(
    made: Module, objectives: Sequence[Recording], n: int, *, step: str, taken: int, entries: str = ""
) -> Module:  # fmt: skip
    """The module with its objectives and entry points; `stored` and `stages` then tell all scratch but vectors.

    `step` is the text of `back`, which pulls the frame back through one step and may use the `taken` rows behind
    those of a step; `entries` are more entry points.
    """
    far = stage_rows(made, n) + taken
    text, more = print_objectives(objectives, form_of(n), far)
    return made._replace(
        text=made.text + "\n\nfrom fastlyap.kernel.lanes import slot, wide\n\n\n" + text + step + ENTRIES + entries,
        stages=1, stored=far + more, functions=expected(objectives),
    )  # fmt: skip


def assemble_sensitivity(system: Any, objectives: Sequence[Recording], integrator: str, width: int) -> Module:
    """The module of an augmented system whose covectors are pulled back by the transpose of the whole step."""
    form = form_of(system.dim)
    made = (noise.assemble(system, integrator, width, form) if system.noise_count
            else assemble(system.recording, integrator, width, form))  # fmt: skip
    return extend(made, objectives, system.dim, step=STEP_BACK, taken=0)
