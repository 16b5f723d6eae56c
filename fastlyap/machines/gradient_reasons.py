"""Why a gradient is doubted, in words; and as bits of a number, as stores keep it for each point."""

from enum import StrEnum
from typing import Any

import numpy as np


class Reason(StrEnum):
    """What speaks against a gradient. New ones go to the end: stores know them by their places."""

    LOST = "some members failed, and the others may be a biased choice"
    NOT_PARTED = "members have not parted, so their spread says nothing of the error"
    SEVERAL = "members have different averages: several attractors, or too short a transient"
    HEAVY = (
        "members' gradients are heavy-tailed: their mean and its error say little; see the median, and use another "
        "method"
    )
    TOO_LARGE = "the gradient passed the limit of floating point"
    WRAPPED = (
        "rule or objective jump where a coordinate is wrapped, which a derivative along the path does not see; use "
        "fl.KernelDifferentiation"
    )
    GREW = (
        "covectors grew without bound on the way back: the gradient of this one orbit is not that of the long-time "
        "average; use a method for chaos"
    )
    BETA = (
        "`beta` is too small: the propagated part grows in second moment, and the spread of members without bound; use "
        'beta="auto"'
    )
    LONG_WINDOW = (
        "the window is more than a hundredth of the run, and so is the bias from the orbit's own mean; give more steps"
    )
    CHANGING = "the gradient still changed when the window was as long as the run allows; give more steps or members"
    NO_NEUTRAL = "no exponent of the flow is 0 within its error"
    TANGENCY = (
        "a coefficient is more than ten thousand times the median one: the orbit comes near a tangency of stable and "
        "unstable directions"
    )
    NARROW = (
        "an exponent next to zero is not significantly different from it: the system is not hyperbolic within its "
        "errors"
    )
    PARALLEL = "covectors became parallel within a segment; use a shorter `segment`"
    MARCH = (
        "the march carries other modes than exactly the significantly positive ones, so it blows up; use "
        'modes="auto" or solver="least_squares"'
    )
    FEW_MODES = "there are more unstable directions than `modes`"
    OTHER_MODES = "`modes` are not exactly the significantly positive exponents"


PLACES = {str(reason): place for place, reason in enumerate(Reason)}
REASONS = "stats/reasons"  # where results keep them
UNNAMED = 62  # the bit of a reason that is not in the list
OTHER = "a reason that the plain call names"


def packed(reasons: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Masks (...) by reason as one int64 (...), a bit for each."""
    found = np.zeros(shape, dtype=np.int64)
    for text, mask in reasons.items():
        found |= np.where(mask, np.int64(1) << PLACES.get(text, UNNAMED), np.int64(0))
    return found


def unpacked(bits: Any) -> dict[str, np.ndarray]:
    """Masks by reason, of those that occur."""
    known = {**{place: text for text, place in PLACES.items()}, UNNAMED: OTHER}
    masks = {text: np.asarray(bits) >> place & 1 != 0 for place, text in known.items()}
    return {text: mask for text, mask in masks.items() if mask.any()}


def told_reasons() -> dict[str, Any]:
    """What the bits mean, as attributes by the CF conventions, and in words."""
    names = " ".join(reason.name for reason in Reason)
    return {"flag_masks": [1 << place for place in PLACES.values()], "flag_meanings": names, "reasons": list(PLACES)}
