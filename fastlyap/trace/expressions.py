"""What a rule sees while it is recorded: expressions and conditions with Python's and NumPy's operators."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from fastlyap.errors import InputError
from fastlyap.trace.graph import ARITHMETIC, COMPARISONS, FUNCTIONS, Node, constant, make

_KNOWN = frozenset((*ARITHMETIC, *FUNCTIONS, *COMPARISONS, "where", "sum"))

# NumPy's name: ours, for ufuncs with the same meaning
UFUNCS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arctan2": "atan2", "exp": "exp", "log": "log", "sqrt": "sqrt", "cbrt": "cbrt", "sinh": "sinh", "cosh": "cosh",
    "tanh": "tanh", "absolute": "abs", "fabs": "abs", "sign": "sign", "floor": "floor", "minimum": "minimum",
    "maximum": "maximum", "remainder": "mod", "mod": "mod", "add": "add", "subtract": "sub", "multiply": "mul",
    "divide": "div", "true_divide": "div", "floor_divide": "floordiv", "power": "pow", "float_power": "pow",
    "negative": "neg", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq",
    "not_equal": "ne", "erf": "erf", "expit": "sigmoid", "logical_and": "and", "bitwise_and": "and",
    "logical_or": "or", "bitwise_or": "or", "logical_not": "not", "invert": "not",
}  # fmt: skip


def lift(value: Any) -> Node:
    """The node of an expression or of a real number."""
    if type(value) is Expr:
        return value.node
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
        return lift(value)
    if isinstance(value, (numbers.Real, np.bool_)):
        try:
            return constant(float(value))
        except OverflowError:
            raise InputError(
                f"a number in a rule must fit a float64, got {value!r:.40}; write it as a float."
            ) from None
    if isinstance(value, Condition):
        raise InputError(
            "a condition (`<`, `==` ...) is not a number; select with fl.math.where(condition, a, b), "
            "fl.math.where(condition, 1.0, 0.0) for 1 and 0."
        )
    raise InputError(
        f"a rule computes with real numbers and expressions, got {type(value).__name__} {value!r:.60}; give numbers, "
        "or take arrays apart by index."
    )


def apply(name: str, *arguments: Any) -> Any:
    """The expression of a `fl.math` function or operator, by its name in the graph."""
    if name == "where":
        return _where(*arguments)
    if name not in _KNOWN:
        raise InputError(f"`fl.math` has no function {name!r}; there are: {', '.join(sorted(_KNOWN))}.")
    kind = Condition if name in COMPARISONS else Expr
    return kind(make(name, *[lift(a) for a in arguments]))


def _where(condition: Any, a: Any, b: Any) -> Any:
    if isinstance(condition, (bool, np.bool_)):
        return Expr(lift(a if condition else b))
    if not isinstance(condition, Condition):
        raise InputError(
            f"`condition` of fl.math.where must be a comparison such as x.a < 0, got {type(condition).__name__}; "
            "compare with a number: fl.math.where(value != 0, a, b)."
        )
    return Expr(make("where", condition.node, lift(a), lift(b)))


def _elementwise(function: Callable, arguments: tuple) -> np.ndarray:
    """Apply to every element of object arrays; an expression counts as an array of shape ()."""
    boxed = []
    for argument in arguments:
        if isinstance(argument, (Expr, Condition)):
            box = np.empty((), dtype=object)
            box[()] = argument
            argument = box
        boxed.append(argument)
    return np.frompyfunc(function, len(boxed), 1)(*boxed)


class _Recorded:
    """What expressions and conditions share: a node, NumPy's door, and the refusals."""

    __slots__ = ("node",)

    def __init__(self, node: Node) -> None:
        self.node = node

    __hash__ = object.__hash__

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *arguments: Any, **keywords: Any) -> Any:
        name = UFUNCS.get(ufunc.__name__)
        if name is None:
            raise InputError(
                f"`np.{ufunc.__name__}` cannot be recorded on single values; build it from the functions of fl.math."
            )
        if method != "__call__" or keywords:
            raise InputError(
                f"`np.{ufunc.__name__}` must be called on values alone while recording, without `out`, `where`, "
                "`reduce` and the like; use fl.math.sum for sums."
            )
        if any(isinstance(a, np.ndarray) and a.ndim for a in arguments):
            return _elementwise(lambda *items: _call(name, items), arguments)
        return _call(name, arguments)

    def _fl_math_(self, name: str, *arguments: Any) -> Any:
        if any(isinstance(a, np.ndarray) and a.ndim for a in arguments):
            return _elementwise(lambda *items: apply(name, *items), arguments)
        return apply(name, *arguments)

    def __bool__(self) -> NoReturn:
        raise InputError(
            "a rule may not branch on the state, parameters or time (`if`, `and`, `or`, `not`, `min`, `max`, `in`, "
            "`while`): use fl.math.where(condition, a, b), fl.math.minimum, fl.math.maximum, and & | ~ between "
            "conditions."
        )

    def __float__(self) -> NoReturn:
        raise InputError(
            "a recorded value has no number yet, so `float()`, `math.sin` and the like cannot be recorded: use "
            "fl.math.sin and the other functions of fl.math."
        )

    def __int__(self) -> NoReturn:
        raise InputError("a recorded value has no number yet, so `int()` cannot be recorded: use fl.math.floor.")

    def __index__(self) -> NoReturn:
        raise InputError(
            "a recorded value cannot be an index or a loop bound: select with fl.math.where, and take sizes from "
            "Python numbers or `len(x)`."
        )

    def __complex__(self) -> NoReturn:
        raise InputError(
            "complex numbers cannot be recorded: write real and imaginary parts as two states with fl.math functions."
        )

    def __iter__(self) -> NoReturn:
        raise InputError("one recorded value cannot be taken apart: loop over `x`, or over an array parameter.")


def _call(name: str, arguments: tuple) -> Any:
    if name in ("and", "or", "not"):
        return Condition(make(name, *[_truth(a) for a in arguments]))
    return apply(name, *arguments)


def _truth(value: Any) -> Node:
    if isinstance(value, (bool, np.bool_)):
        return make("eq", constant(1.0 if value else 0.0), constant(1.0))
    if not isinstance(value, Condition):
        raise InputError(f"`&`, `|` and `~` combine conditions such as x.a < 0, got {type(value).__name__}.")
    return value.node


class Condition(_Recorded):
    """The outcome of a comparison: goes into fl.math.where, combines by & | ~."""

    __slots__ = ()

    def __and__(self, other: Any) -> Condition:
        return _call("and", (self, other))

    def __or__(self, other: Any) -> Condition:
        return _call("or", (self, other))

    def __rand__(self, other: Any) -> Condition:
        return _call("and", (other, self))

    def __ror__(self, other: Any) -> Condition:
        return _call("or", (other, self))

    def __invert__(self) -> Condition:
        return _call("not", (self,))


class Expr(_Recorded):
    """A number that depends on the state, the parameters or the time."""

    __slots__ = ()

    def __pos__(self) -> Expr:
        return self

    def __radd__(self, other: Any) -> Any:
        if type(other) is int and other == 0:  # the start of Python's sum()
            return self
        return NotImplemented if isinstance(other, np.ndarray) and other.ndim else apply("add", other, self)

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        if modulus is not None:
            raise InputError("`pow` with a modulus cannot be recorded: use fl.math.mod(a**b, c).")
        return NotImplemented if isinstance(other, np.ndarray) and other.ndim else apply("pow", self, other)


def _forward(name: str) -> Callable:
    kind = Condition if name in COMPARISONS else Expr

    def operate(self, other):
        if type(other) is Expr:
            return kind(make(name, self.node, other.node))
        if isinstance(other, np.ndarray) and other.ndim:
            return NotImplemented  # NumPy then asks __array_ufunc__ for every element
        return kind(make(name, self.node, lift(other)))

    return operate


def _reflected(name: str) -> Callable:
    def operate(self, other):
        if isinstance(other, np.ndarray) and other.ndim:
            return NotImplemented
        return Expr(make(name, lift(other), self.node))

    return operate


def _unary(name: str) -> Callable:
    def operate(self):
        return Expr(make(name, self.node))

    return operate


for _operator, _name in (("add", "add"), ("sub", "sub"), ("mul", "mul"), ("truediv", "div"), ("pow", "pow"),
                         ("mod", "mod"), ("floordiv", "floordiv")):  # fmt: skip
    for _method, _made in ((f"__{_operator}__", _forward(_name)), (f"__r{_operator}__", _reflected(_name))):
        if _method not in vars(Expr):
            setattr(Expr, _method, _made)
for _name in COMPARISONS:
    setattr(Expr, f"__{_name}__", _forward(_name))
Expr.__hash__ = object.__hash__  # type: ignore[method-assign]
Expr.__neg__, Expr.__abs__ = _unary("neg"), _unary("abs")  # type: ignore[attr-defined]
# NumPy calls these by name on the elements of an object array: np.sin(np.asarray(x))
for _method, _name in UFUNCS.items():
    if _name in FUNCTIONS and _name not in ("atan2", "minimum", "maximum") and not hasattr(Expr, _method):
        setattr(Expr, _method, _unary(_name))
