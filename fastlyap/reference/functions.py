"""Elementary functions with their partial derivatives: name -> (value, partial by each argument).

A partial takes (f, *arguments), f being the value; None is a derivative that is zero everywhere. Kinks: floor,
sign and // have derivative 0, mod 1 by its first argument, abs sign with sign(0) = 0. Names are those of
`fastlyap.math` and of Python's operators.
"""

import numpy as np
from scipy import special

ROOT_PI = np.sqrt(np.pi)


def _unity(f, *arguments):
    return 1.0


def _minus(f, *arguments):
    return -1.0


def _quotient(a, b):
    return np.floor(np.true_divide(a, b))


def _mod(a, b):
    # a tiny negative number is the point 0 of the circle, its remainder b only by rounding
    rest = np.mod(a, b)
    return np.where(np.equal(rest, b), 0.0, rest)


def _power_by_base(f, a, b):
    # the limit b -> 0 is zero also at a = 0
    return np.where(np.equal(b, 0), 0.0, b * np.power(a, np.subtract(b, 1.0)))


def _power_by_exponent(f, a, b):
    return f * np.log(np.where(np.equal(a, 0), 1.0, a))


FUNCTIONS = {
    "add": (np.add, _unity, _unity),
    "sub": (np.subtract, _unity, _minus),
    "mul": (np.multiply, lambda f, a, b: b, lambda f, a, b: a),
    "div": (np.true_divide, lambda f, a, b: np.true_divide(1.0, b), lambda f, a, b: -f / b),
    "neg": (np.negative, _minus),
    "pow": (np.power, _power_by_base, _power_by_exponent),
    "mod": (_mod, _unity, lambda f, a, b: -_quotient(a, b)),
    "floordiv": (_quotient, None, None),
    "sin": (np.sin, lambda f, a: np.cos(a)),
    "cos": (np.cos, lambda f, a: -np.sin(a)),
    "tan": (np.tan, lambda f, a: 1.0 + f * f),
    "asin": (np.arcsin, lambda f, a: 1.0 / np.sqrt(1.0 - a * a)),
    "acos": (np.arccos, lambda f, a: -1.0 / np.sqrt(1.0 - a * a)),
    "atan": (np.arctan, lambda f, a: 1.0 / (1.0 + a * a)),
    "atan2": (np.arctan2, lambda f, a, b: b / (a * a + b * b), lambda f, a, b: -a / (a * a + b * b)),
    "exp": (np.exp, lambda f, a: f),
    "log": (np.log, lambda f, a: 1.0 / a),
    "sqrt": (np.sqrt, lambda f, a: 0.5 / f),
    "cbrt": (np.cbrt, lambda f, a: 1.0 / (3.0 * f * f)),
    "sinh": (np.sinh, lambda f, a: np.cosh(a)),
    "cosh": (np.cosh, lambda f, a: np.sinh(a)),
    "tanh": (np.tanh, lambda f, a: 1.0 - f * f),
    "sigmoid": (special.expit, lambda f, a: f * special.expit(-a)),
    "softplus": (lambda a: np.logaddexp(0.0, a), lambda f, a: special.expit(a)),
    "erf": (special.erf, lambda f, a: 2.0 / ROOT_PI * np.exp(-a * a)),
    "abs": (np.abs, lambda f, a: np.sign(a)),
    "floor": (np.floor, None),
    "sign": (np.sign, None),
    "lt": (np.less, None, None),
    "le": (np.less_equal, None, None),
    "gt": (np.greater, None, None),
    "ge": (np.greater_equal, None, None),
    "eq": (np.equal, None, None),
    "ne": (np.not_equal, None, None),
    "and": (np.logical_and, None, None),
    "or": (np.logical_or, None, None),
    "not": (np.logical_not, None),
}

# What NumPy calls the functions it shares with us, where the name is another one.
_OTHER_NAMES = {
    "sub": "subtract", "mul": "multiply", "div": "divide true_divide", "neg": "negative", "pow": "power float_power",
    "mod": "remainder", "floordiv": "floor_divide", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
    "atan2": "arctan2", "sigmoid": "expit", "abs": "absolute fabs", "lt": "less", "le": "less_equal",
    "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal", "and": "logical_and bitwise_and",
    "or": "logical_or bitwise_or", "not": "logical_not invert",
}  # fmt: skip
UFUNCS = {name: name for name in (*FUNCTIONS, "minimum", "maximum")}
UFUNCS |= {other: name for name, others in _OTHER_NAMES.items() for other in others.split()}
