"""How many steps may pass between two reorthonormalisations: chosen for each member from its own frame.

The ratio max r_jj / min r_jj of an interval is the frame's conditioning, and the rounding error of the trailing
vectors grows with it. The interval is doubled while the square of the conditioning met stays below the bound,
so a member's interval never depends on the other members. Nor may a vector grow or shrink so much within an
interval that the square of its length leaves the range of the working type.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.kernel import layout
from fastlyap.machines.rows import read_growth
from fastlyap.machines.run import Ensemble

LONGEST = 16  # longer ones gain nothing (the frame is then a small part of the work)
LONGEST_WITH_DELAY = 32  # where vectors carry a history, which grows slowly and is long
TRIALS = 16  # reorthonormalisations looked at before each doubling
BOUND = {"float64": 1e6, "float32": 1e3}


def longest(system: Any) -> int:
    """Steps of the longest interval to be tried."""
    return LONGEST_WITH_DELAY if system.delays else LONGEST


def trial_steps(most: int = LONGEST) -> int:
    """Steps that the search for an interval of up to `most` steps takes at most."""
    return TRIALS * (most - 1)


def choose_intervals(members: Ensemble, t0: float, most: int = LONGEST) -> None:
    """Set `members.every`, advancing the members on the way; their growth is forgotten afterwards."""
    bound = BOUND[members.how.dtype]
    members.every[:] = 1
    trying = np.arange(len(members))
    while len(trying) and members.every[trying[0]] < most:
        members.forget(trying)
        members.grow(trying, TRIALS * int(members.every[trying[0]]), t0)
        met = members.A[trying, layout.CONDITIONING]
        trying = trying[(met * met <= bound) & _measurable(members, trying) & members.alive()[trying]]
        members.every[trying] *= 2
    members.forget(np.arange(len(members)))


def _measurable(members: Ensemble, index: np.ndarray) -> np.ndarray:
    """Whether vectors keep a length that can be squared over twice the interval, with room for four times the mean."""
    total = read_growth(members.A[index], members.k, members.step[index], members.every[index]).total
    largest = np.abs(np.where(np.isfinite(total), total, 0.0)).max(axis=1) / TRIALS
    return 8.0 * largest <= 0.5 * np.log(np.finfo(members.how.dtype).max)
