"""The module of a recurrent cell for gradients: its steps, its objectives, and covectors pulled back with parameters.

Objectives are printed like those of recorded systems, and the loops over steps are theirs; only how a step is pulled
back is the cell's own. Scratch begins with that of the objectives, the cell's comes behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlyap.trace import cells, sensitivity, shadowing
from fastlyap.trace.module import Module
from fastlyap.trace.recorder import Recording

GIVEN = "(P[0], P[1][b], P[2][b], P[3][b], P[4], P[5], P[6], P[7], P[8])"  # see `kernel.cell_adjoint`

_STEP = """from fastlyap.kernel import cell_score, sensitivity
from fastlyap.kernel import {room} as parameters

BASE = np.int64({base})


@kernel
def forward(model, t, dt, S, A, P, W, k, full, rtol, atol):
    step(model, t, dt, S, A, P, slot(W, BASE, len(W) - BASE), k, full, rtol, atol)


@kernel
def pull_step(t, S, P, W, F, place, keep, k):
    V = slot(W, BASE, len(W) - BASE)
    wanted = P[4][len(P[4]) - 1] > 0
    if wanted:
        parameters.before(kind, sizes, t, S, P)
    {draw}move(t, S, S, 0, P, V, 1, 0)
    {hand_over}if wanted:
        parameters.between(sizes, S, P, V)
        parameters.covectors(sizes, S, P, k)
    pull(S, N + 1, P, V, k)
    if wanted:
        parameters.after(sizes, S, P, V, k)
        if P[7][0] == {rows} or place == 0:
            parameters.gather(sizes, P, k)


@kernel
def back(t, dt, S, A, P, W, X, F, place, keep, k, rtol, atol):
    pull_step(t, S, P, W, F, place, keep, k)


@kernel
def back_alone(model, advance, puller, t, dt, S, A, P, W, X, k, rtol, atol):
    V = slot(W, BASE, len(W) - BASE)
    {draw}move(t, S, S, 0, P, V, 1, 0)
    pull(S, N + 1, P, V, k)


"""


def assemble(system: Any, objectives: Sequence[Recording], path: bool = True) -> Module:
    """The module of a cell, whose noise gets a share of the covectors; without `path`, as in kernel differentiation."""
    from fastlyap.kernel.cell_adjoint import ROWS

    about, noise = system.architecture, cells.noise_of(system)
    made = cells.assemble(about, "float64", noise)
    text, base = sensitivity.print_objectives(objectives, "rows", 0)
    hand_over = ""
    if noise:
        hand_over = (
            f"cell_score.hand_over(sizes, N, {noise.normals}, {noise.sizes}, {noise.mixed}, {path}, S, P, F, place, "
            "keep, k)\n    "
        )
    room = "coupled_adjoint" if about.kind == "random_rnn" else "cell_adjoint"
    step = _STEP.format(room=room, base=base, rows=ROWS, draw=noise.draw if noise else "", hand_over=hand_over)
    entries = sensitivity.ENTRIES + shadowing.ENTRIES.format(own=system.dim)
    for old, new in (("rows(P[b])", GIVEN), ("stepper, puller, step_back", "forward, None, back_alone"),
                     ("stepper", "forward")):  # fmt: skip
        entries = entries.replace(old, new)
    return made._replace(
        text=made.text + "\n\nfrom fastlyap.kernel.lanes import wide\n\n\n" + text + step + entries,
        stored=made.stored + base, stages=1,
    )  # fmt: skip
