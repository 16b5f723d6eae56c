"""`check` and the small nouns around it: status codes, exceptions."""

import pickle

import numpy as np
import pytest

from fastlyap import math as fm
from fastlyap import status
from fastlyap.checking import check
from fastlyap.errors import InputError, Interrupted, MemberError
from fastlyap.status import Status
from fastlyap.system import flow, iterated_map


def smooth():
    return flow(state="x y", parameters={"a": 1.5, "w": [0.5, 2.0]}, x0=(0.3, 0.4))(
        lambda t, x, p: (p.a * fm.sin(x.x) - x.y**3, fm.exp(-x.x) * p.w[1] + p.w[0] * x.y)
    )


def test_smooth_rules_are_checked_by_complex_steps():
    report = check(smooth())
    assert report.ok and report.method == "complex step"
    assert max(report.tangent, report.adjoint, report.parameter_adjoint, report.divergence, report.replay) < 1e-13
    assert report.deterministic and report.finite
    text = str(report)
    assert "passed" in text and "tangent" in text and "complex step" in text


def test_kinked_rules_are_checked_by_differences():
    kinked = iterated_map(state="x", parameters={"a": 1.5}, x0=[0.3])(lambda t, x, p: p.a * abs(x.x) % 1.0)
    report = check(kinked)
    assert report.ok and report.method == "central difference" and report.adjoint < 1e-13


def test_rules_on_arrays_and_single_values():
    coupling = np.array([[0.5, -1.0], [2.0, 0.1]])

    @iterated_map(state=2, parameters={"w": [1.0, 2.0]}, x0=[0.3, 0.2])
    def network(t, x, p):
        return np.tanh(coupling @ x) + p.w * np.sin(x[:])

    assert check(network).ok
    assert check(iterated_map(state="x", x0=[0.3])(lambda t, x, p: 3 * x.x)).ok
    assert check(iterated_map(state="x y", x0=[0.3, 0.1])(lambda t, x, p: (3 * each for each in x))).ok


def test_point_parameters_and_seed():
    one = check(smooth(), x=[1.0, 2.0], parameters={"a": 3.0}, seed=1)
    assert one.ok and one == check(smooth(), x=[1.0, 2.0], parameters={"a": 3.0}, seed=1)
    with pytest.raises(InputError, match=r"`x` must have shape \(2,\)"):
        check(smooth(), x=[1.0])
    with pytest.raises(InputError, match="`system` must be a fastlyap System"):
        check(smooth)


def test_a_closure_changed_after_recording_is_found():
    factor = 2.0

    @iterated_map(state="x", x0=[0.3])
    def rule(t, x, p):
        return factor * x.x

    assert check(rule).ok
    factor = 3.0
    report = check(rule)
    assert not report.ok and report.deterministic is False and report.replay == pytest.approx(0.5)
    assert "FAILED" in str(report)
    assert check(pickle.loads(pickle.dumps(rule))).deterministic is None


def test_a_point_outside_the_domain_is_told():
    report = check(iterated_map(state="x", x0=[-1.0])(lambda t, x, p: fm.sqrt(x.x)))
    assert not report.finite and not report.ok


def test_status_codes_have_advice():
    for member in Status:
        assert getattr(status, member.name) == member
        assert len(member.advice) > 10 and member.advice.endswith(".")
    codes = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], dtype=np.int8)
    assert Status.failed(codes).tolist() == [[False] * 4, [True, True, True, False]]
    assert not Status.failed(0) and Status.failed(status.ESCAPED)


def test_exceptions():
    error = Interrupted("stopped", partial={"steps": 3})
    assert isinstance(error, KeyboardInterrupt) and error.partial == {"steps": 3}
    assert pickle.loads(pickle.dumps(error)).partial == {"steps": 3} and Interrupted().partial is None
    assert issubclass(InputError, ValueError) and issubclass(MemberError, RuntimeError)
