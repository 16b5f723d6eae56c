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
    "value": "objective",
    "value_stderr": "standard error of the objective",
}
DERIVED = {"gradient": "derivative of the objective by", "stderr": "standard error of the derivative by"}
WITH_UNIT = ("exponents", "stderr", "spread", "entropy", "sum_rule", "divergence_error")
SIGNED = ("exponents", "sum_rule", "divergence_error", "gradient")
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
    kind, _, name = what.partition("_")
    if values is None and kind in DERIVED and name in (getattr(result, "gradient", None) or {}):
        own = np.ndim(getattr(result, kind)[name]) - len(result.dims)
        values = np.asarray(getattr(result, kind)[name])
        values = values.reshape(*values.shape[: values.ndim - own], -1) if own else values
        return Quantity(values, f"{DERIVED[kind]} {name}", kind in SIGNED, False)
    if values is None or isinstance(values, dict):
        raise InputError(f"`what` must be one of {', '.join(_known(result))}, got {what!r}.")
    label = f"{NAMES[what]} ({result.unit})" if what in WITH_UNIT else NAMES[what]
    values = np.asarray(values, dtype=np.float64)
    if what in ("n_positive", "failed_step"):
        values = np.where(values < 0, np.nan, values)
    return Quantity(values, label, what in SIGNED, what in COUNTED)


def errors_of(result: Any, what: str) -> np.ndarray | None:
    """The standard errors of a quantity, where there are any."""
    beside = {"exponents": "stderr", "value": "value_stderr"}.get(what, what.replace("gradient_", "stderr_", 1))
    if beside == what or beside not in _known(result):
        return None
    return quantity(result, beside).values


def _known(result: Any) -> list[str]:
    """What can be shown of a result."""
    found = [name for name in NAMES if not isinstance(getattr(result, name, None), (dict, type(None)))]
    return found + [f"{kind}_{name}" for kind in DERIVED for name in (getattr(result, "gradient", None) or {})]


def ordinal(index: int) -> str:
    """1st, 2nd, ... for index 0, 1, ..."""
    number = index + 1
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{suffix}"
