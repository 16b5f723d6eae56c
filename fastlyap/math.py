"""Elementary functions a rule may use: graph nodes while it is recorded, NumPy on numbers and arrays.

An argument that has a method `_fl_math_(name, *arguments)` decides itself what a function means on it: recorded
expressions and the dual numbers of the reference path enter this way. Angles are in radians.
"""

import builtins
import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

__all__ = [
    "abs", "acos", "asin", "atan", "atan2", "cbrt", "cos", "cosh", "erf", "exp", "floor", "log", "maximum", "mean",
    "minimum", "mod", "pi", "sigmoid", "sign", "sin", "sinh", "softplus", "sqrt", "sum", "tan", "tanh", "where",
]  # fmt: skip

pi = np.pi


def _dispatch(name: str, plain: Callable, arguments: tuple) -> Any:
    for argument in arguments:
        if hasattr(argument, "_fl_math_"):
            return argument._fl_math_(name, *arguments)
    if builtins.any(isinstance(a, np.ndarray) and a.dtype == object for a in arguments):
        each = np.frompyfunc(lambda *items: _dispatch(name, plain, items), len(arguments), 1)
        return each(*arguments)
    with np.errstate(all="ignore"):
        return plain(*arguments)


def sin(a):
    """Sine."""
    return _dispatch("sin", np.sin, (a,))


def cos(a):
    """Cosine."""
    return _dispatch("cos", np.cos, (a,))


def tan(a):
    """Tangent."""
    return _dispatch("tan", np.tan, (a,))


def asin(a):
    """Arc sine."""
    return _dispatch("asin", np.arcsin, (a,))


def acos(a):
    """Arc cosine."""
    return _dispatch("acos", np.arccos, (a,))


def atan(a):
    """Arc tangent."""
    return _dispatch("atan", np.arctan, (a,))


def atan2(a, b):
    """Angle of the point (b, a), in [-pi, pi]."""
    return _dispatch("atan2", np.arctan2, (a, b))


def exp(a):
    """Exponential."""
    return _dispatch("exp", np.exp, (a,))


def log(a):
    """Natural logarithm."""
    return _dispatch("log", np.log, (a,))


def sqrt(a):
    """Square root."""
    return _dispatch("sqrt", np.sqrt, (a,))


def cbrt(a):
    """Cube root, of negative numbers too."""
    return _dispatch("cbrt", np.cbrt, (a,))


def sinh(a):
    """Hyperbolic sine."""
    return _dispatch("sinh", np.sinh, (a,))


def cosh(a):
    """Hyperbolic cosine."""
    return _dispatch("cosh", np.cosh, (a,))


def tanh(a):
    """Hyperbolic tangent."""
    return _dispatch("tanh", np.tanh, (a,))


def sigmoid(a):
    """1 / (1 + exp(-a)), without overflow."""
    return _dispatch("sigmoid", _sigmoid, (a,))


def softplus(a):
    """log(1 + exp(a)), without overflow."""
    return _dispatch("softplus", _softplus, (a,))


def erf(a):
    """Error function."""
    return _dispatch("erf", _erf, (a,))


def abs(a):
    """Absolute value; its derivative is `sign`."""
    return _dispatch("abs", np.abs, (a,))


def sign(a):
    """-1, 0 or 1; its derivative is 0."""
    return _dispatch("sign", np.sign, (a,))


def floor(a):
    """Largest whole number not above `a`, as a float; its derivative is 0."""
    return _dispatch("floor", np.floor, (a,))


def mod(a, b):
    """a - b floor(a / b), never b itself; the derivative by `a` is 1."""
    return _dispatch("mod", _mod, (a, b))


def minimum(a, b):
    """The smaller of two; at ties the derivative is that of `a`."""
    return _dispatch("minimum", np.minimum, (a, b))


def maximum(a, b):
    """The larger of two; at ties the derivative is that of `a`."""
    return _dispatch("maximum", np.maximum, (a, b))


def where(condition, a, b):
    """`a` where the condition holds, else `b`; both are evaluated."""
    return _dispatch("where", np.where, (condition, a, b))


def sum(terms: Iterable):
    """Sum of the terms in their order, recorded as one reduction (0.0 of none)."""
    terms = tuple(terms)
    if not terms:
        return 0.0
    return _dispatch("sum", lambda *items: functools.reduce(operator.add, items), terms)


def mean(terms: Iterable):
    """`sum` of the terms divided by their number."""
    terms = tuple(terms)
    return sum(terms) / len(terms)


def _sigmoid(a):
    z = np.exp(-np.abs(a))
    return np.where(np.less(a, 0.0), z, 1.0)[()] / (1.0 + z)


def _softplus(a):
    return np.maximum(a, 0.0) + np.log1p(np.exp(-np.abs(a)))


def _erf(a):
    from scipy.special import erf as scipy_erf  # heavy, and few rules need it

    return scipy_erf(a)


def _mod(a, b):
    # -1e-20 mod 1.0 rounds up to 1.0, which is the point 0 of the circle
    rest = np.mod(a, b)
    return np.where(rest == b, 0.0, rest)[()]
