"""What a sweep can show: the array behind a name, its label with unit, and how to colour it."""

from typing import Any, NamedTuple

import numpy as np

from fastlyap.errors import InputError

NAMES = {
    "exponents": "Lyapunov exponent",
    "stderr": "standard error",
    "spread": "spread over starts",
    "entropy": "sum of positive exponents",
    "sum_rule": "error of the sum rule",
    "divergence_error": "sum of exponents - mean divergence",
    "kaplan_yorke": "Kaplan-Yorke dimension",
    "n_positive": "positive exponents",
    "conditioning": "conditioning of the frame",
    "n_steps": "steps",
    "failed_step": "step of failure",
    "status": "status",
}
WITH_UNIT = ("exponents", "stderr", "spread", "entropy", "sum_rule", "divergence_error")
SIGNED = ("exponents", "sum_rule", "divergence_error")
COUNTED = ("n_positive", "status")


class Quantity(NamedTuple):
    """values : (...) or (..., k); label with unit; signed values get a diverging map, counted ones steps."""

    values: np.ndarray
    label: str
    signed: bool
    counted: bool


def quantity(result: Any, what: str) -> Quantity:
    """The quantity of a result called `what`."""
    values = getattr(result, what, None) if what in NAMES else None
    if values is None:
        known = ", ".join(name for name in NAMES if getattr(result, name, None) is not None)
        raise InputError(f"`what` must be one of {known}, got {what!r}.")
    label = f"{NAMES[what]} ({result.unit})" if what in WITH_UNIT else NAMES[what]
    values = np.asarray(values, dtype=np.float64)
    if what in ("n_positive", "failed_step"):
        values = np.where(values < 0, np.nan, values)
    return Quantity(values, label, what in SIGNED, what in COUNTED)


def ordinal(index: int) -> str:
    """1st, 2nd, ... for index 0, 1, ..."""
    number = index + 1
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{suffix}"
