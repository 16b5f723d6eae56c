"""The second sweep of shadowing: with the coefficients known, one covector for each objective meets the parameters.

What a run keeps for it are the covectors at the ends of all segments. Time and memory of the first sweep then do not
depend on the number of parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.machines.gradient_program import Program, is_cell
from fastlyap.machines.gradient_starts import Starts
from fastlyap.machines.orbit import Stretch, origin
from fastlyap.machines.run import Pace
from fastlyap.request import GradientRequest

MANY = 64  # parameters that are not carried along with all modes


def is_wanted(request: GradientRequest) -> bool:
    """Whether parameters wait for a second sweep: of recurrent cells, and where they are many."""
    return is_cell(request) or len(request.columns) > MANY


def without_parameters(request: GradientRequest) -> GradientRequest:
    """The request of the first sweep."""
    return replace(request, names=(), columns=())


def coefficients(batch: Any) -> np.ndarray:
    """a of every segment, (B, K, M, J), of a batch that was solved."""
    count = batch.shape.count
    a = batch.part("a")[..., :count]
    if batch.shape.flow:
        a = a + batch.part("a")[..., count:] * batch.turns()[:, None, None]
    return a


def gradient(
    request: GradientRequest, program: Program, batch: Any, starts: Starts, stretches: Sequence[Stretch],
    who: np.ndarray, length: int, pace: Pace,
) -> np.ndarray:  # fmt: skip
    """The sum of the gradients over all steps in segments, (B, J, p), from a batch that has walked back.

    stretches : those that hold segments, in the order of time.
    """
    how, t0, count = request.integration, origin(request), batch.shape.count
    ends = batch.ends()
    nu = ends[:, :, :count] + np.einsum("bkmj,bkmn->bkjn", coefficients(batch), ends[:, :, count:])
    second = program.segments(starts.rows[who], who, count)
    second.begin_again(nu)
    for stretch in reversed(stretches):
        second.go_to(stretch.start)
        n_steps, segment = stretch.last - stretch.first, (stretch.first - stretches[0].first) // length
        second.walk_again(how, t0, stretch.first, n_steps, length=length, segment=segment)
        pace.done(second.members * 2 * n_steps)
    return second.covectors()[1]
