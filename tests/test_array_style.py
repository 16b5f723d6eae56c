"""Systems of array-style functions: recorded if possible, checked always."""

import math
import pickle
from math import sin

import numpy as np
import pytest

from fastlyap.checking import check
from fastlyap.errors import InputError
from fastlyap.system import System


def ring(t, x, p, out):
    n = x.size
    for i in range(n):
        out[i] = p[0] * sin(x[i - 1]) + p[1 + i] * math.exp(-x[i]) + max(x[i], 0.3) * t


def branch(t, x, p, out):
    if x[0] > 0.0:
        out[0] = p[0] * x[0]
    else:
        out[0] = -x[0]


def branch_tangent(t, x, v, p, out):
    out[0] = (p[0] if x[0] > 0.0 else -1.0) * v[0]


def branch_parameters(t, x, w, p, out):
    out[0] += x[0] * w[0] if x[0] > 0.0 else 0.0


def made(rule=ring, dim=3, **given):
    parameters = {"a": 1.5, "w": np.array([0.5, 1.0, 2.0])} if rule is ring else {"a": 1.5}
    return System.from_kernels(**{"kind": "map", "dim": dim, "parameters": parameters, "rule": rule, **given})


def test_recordable_rules_become_ordinary_systems():
    system = made(x0=(0.1, 0.5, 0.9))
    assert system.recording is not None and system.kernels is None and system.name == "ring"
    x, out = np.array([0.1, 0.5, 0.9]), np.empty(3)
    ring(0.5, x, np.array([1.5, 0.5, 1.0, 2.0]), out)
    assert system.rule(x, t=0.5) == pytest.approx(out, rel=1e-15)
    assert check(system).ok and pickle.loads(pickle.dumps(system)) == system


@pytest.mark.compiled
def test_compiled_rules_with_compiled_helpers_are_recorded():
    numba = pytest.importorskip("numba")
    factor = 0.7

    @numba.njit
    def helper(a):
        return factor * math.sin(a)

    @numba.njit
    def rule(t, x, p, out):
        for i in range(len(x)):
            out[i] = p[0] * helper(x[i])

    system = made(rule, dim=2)
    assert system.rule([0.1, 0.2]) == pytest.approx(1.5 * 0.7 * np.sin([0.1, 0.2]))


def test_unrecordable_rules_keep_their_functions():
    given = {"x0": [0.3], "tangent": branch_tangent, "adjoint": branch_tangent, "parameter_adjoint": branch_parameters}
    given["divergence"] = lambda t, x, p: 1.5 if x[0] > 0 else -1.0
    system = made(branch, 1, **given)
    assert system.recording is None and system.kernels.tangent is branch_tangent
    assert system.rule([[0.2], [-0.2]]).ravel().tolist() == [0.2 * 1.5, 0.2]
    assert system.jacobian([[0.2], [-0.2]]).ravel().tolist() == [1.5, -1.0]
    report = check(system)
    assert report.ok and report.deterministic and report.method == "central difference"
    with pytest.raises(InputError, match="recorded rule"):
        system.to_latex()
    assert system == made(branch, 1, **given)


def test_a_tangent_is_asked_for_with_the_reason():
    with pytest.raises(InputError, match="`tangent` is missing.*branch on the state.*test_array_style.py, line"):
        made(branch, 1)


def wrong(t, x, v, p, out):
    out[:] = 0.3 * v


def out_of_bounds(t, x, p, out):
    for i in range(len(x) + 1):
        out[i] = 1.0 if x[0] > 0 else 2.0


def unfilled(t, x, p, out):
    out[0] = 1.0 if x[0] > 0 else 2.0


def writes_input(t, x, p, out):
    x[0] = 1.0 if x[0] > 0 else 2.0


CALLS = []


def changing(t, x, p, out):
    CALLS.append(1)
    out[0] = len(CALLS) if x[0] > 0 else 2.0


BAD = {
    "tangent": ({"rule": branch, "dim": 1, "tangent": wrong, "x0": [0.5]}, "`tangent` disagrees with the rule"),
    "adjoint": ({"rule": ring, "adjoint": wrong}, "`adjoint` disagrees with the rule"),
    "tangent of recorded": ({"rule": ring, "tangent": wrong}, "`tangent` disagrees with the rule"),
    "divergence": ({"rule": ring, "divergence": lambda t, x, p: 99.0}, "`divergence` disagrees"),
    "bounds": ({"rule": out_of_bounds, "dim": 2, "tangent": wrong}, "`out_of_bounds` raised IndexError"),
    "unfilled": ({"rule": unfilled, "dim": 2, "tangent": wrong}, r"must fill `out`, got nothing at \[1\]"),
    "input": ({"rule": writes_input, "dim": 1, "tangent": wrong}, "read-only"),
    "changing": ({"rule": changing, "dim": 1, "tangent": wrong}, "other numbers the second time"),
    "kind": ({"kind": "ode"}, "`kind` must be one of"),
    "state": ({"state": "x y"}, "`state` must name 3 components"),
    "callable": ({"tangent": 3}, "`tangent` must be a function"),
    "rule": ({"rule": None}, "`rule` must be a function"),
    "dt": ({"dt": 0.1}, "no meaning for a map"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_functions_are_found_at_construction(case):
    given, words = BAD[case]
    with pytest.raises(InputError, match=words):
        made(**given)
