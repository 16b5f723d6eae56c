"""Dual numbers in batches: values and their derivatives along k directions, carried through a rule together.

f(a + e u) = f(a) + e f'(a) u with e^2 = 0; nothing is approximated. A rule called with dual states returns its
value and Jacobian-vector products. NaN and infinity travel on quietly. Source: Griewank & Walther, Evaluating
Derivatives, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap.reference.functions import FUNCTIONS, UFUNCS


class Dual:
    """One number of every member, with its derivatives; to a rule it is a single number.

    Parameters
    ----------
    value : (...)
    tangent : (k, ...), optional
        The derivative of `value` along each of k directions; None is a constant. All duals with a tangent that
        meet in one computation have values of one shape.
    """

    __slots__ = ("value", "tangent")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, tangent: Any = None) -> None:
        self.value = np.asarray(value)
        self.tangent = tangent if tangent is None else np.asarray(tangent)

    def __repr__(self) -> str:
        return f"Dual({self.value}, {self.tangent})"

    def _fl_math_(self, name: str, *args: Any) -> Any:
        """What `fastlyap.math` calls: the function `name` of `args`, of which this is one."""
        return apply(name, *args)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or ufunc.__name__ not in UFUNCS:
            return NotImplemented
        return apply(UFUNCS[ufunc.__name__], *inputs)

    def __pos__(self) -> Dual:
        return self

    def __bool__(self) -> bool:
        raise TypeError("a rule may not branch on a state; use fl.math.where, minimum or maximum")


def apply(name: str, *args: Any) -> Any:
    """The function `name` of numbers and dual numbers, with its derivative.

    An array among the arguments holds one number, for all members, in each place; the result is then an array of
    dual numbers.
    """
    if any(isinstance(a, np.ndarray) and a.ndim for a in args):
        return np.frompyfunc(lambda *items: apply(name, *items), len(args), 1)(*[_boxed(a) for a in args])
    values = [a.value if isinstance(a, Dual) else a for a in args]
    tangents = [a.tangent if isinstance(a, Dual) else None for a in args]
    with np.errstate(all="ignore"):
        if name == "sum":
            return Dual(_total(values), _total([u for u in tangents if u is not None]))
        if name in SELECTIONS:
            return Dual(*SELECTIONS[name](values, tangents))
        formula, *partials = FUNCTIONS[name]
        f = formula(*values)
        met = [(d, u) for d, u in zip(partials, tangents, strict=True) if d is not None and u is not None]
        return Dual(f, _total([d(f, *values) * u for d, u in met]))


def _boxed(a: Any) -> Any:
    """A dual number as an object array of shape (), so that NumPy does not look inside."""
    if not isinstance(a, Dual):
        return a
    box = np.empty((), dtype=object)
    box[()] = a
    return box


def _total(terms: list) -> Any:
    """Sum in order; None of nothing."""
    return sum(terms[1:], start=terms[0]) if terms else None


def _select(condition: Any, u: Any, v: Any) -> Any:
    """The tangent u where the condition holds, else v; what is not selected cannot leak in as 0 * inf."""
    if u is None and v is None:
        return None
    return np.where(condition, 0.0 if u is None else u, 0.0 if v is None else v)


def _where(values: list, tangents: list) -> tuple:
    condition, a, b = values
    return np.where(condition, a, b), _select(condition, *tangents[1:])


def _minimum(values: list, tangents: list) -> tuple:
    return np.minimum(*values), _select(np.less_equal(*values), *tangents)


def _maximum(values: list, tangents: list) -> tuple:
    return np.maximum(*values), _select(np.greater_equal(*values), *tangents)


SELECTIONS = {"where": _where, "minimum": _minimum, "maximum": _maximum}


def _operator(name: str, swapped: bool = False) -> Callable:
    def operate(self: Dual, *others: Any) -> Any:
        if any(isinstance(b, np.ndarray) and b.ndim for b in others):
            return NotImplemented  # NumPy then comes back with every element
        return apply(name, *others, self) if swapped else apply(name, self, *others)

    return operate


_METHODS = {"truediv": "div"} | {
    name: name for name in "add sub mul pow mod floordiv neg abs floor lt le gt ge eq ne and or".split()
}
for _method, _name in _METHODS.items():
    setattr(Dual, f"__{_method}__", _operator(_name))
    if _method not in ("neg", "abs", "floor", "lt", "le", "gt", "ge", "eq", "ne"):
        setattr(Dual, f"__r{_method}__", _operator(_name, swapped=True))
Dual.__invert__ = _operator("not")  # type: ignore[attr-defined]
# NumPy calls a ufunc's name on the elements of an object array: np.sin(np.asarray(x))
for _ufunc, _name in UFUNCS.items():
    if len(FUNCTIONS.get(_name, ())) == 2:
        setattr(Dual, _ufunc, _operator(_name))
