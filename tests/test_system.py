"""Systems: definitions, defaults, evaluation, identity, other ways in."""

import math
import pickle

import numpy as np
import pytest

from fastlyap import math as fm
from fastlyap.definition import Known
from fastlyap.errors import InputError
from fastlyap.system import System, flow, iterated_map

KNOWN = Known((0.9,), (0.1,), source="somewhere")


def lorenz(**given):
    given = {"state": "x y z", "parameters": {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}, **given}

    @flow(x0=(1.0, 1.0, 25.0), dt=0.01, known=KNOWN, **given)
    def lorenz63(t, x, p):
        return p.sigma * (x.y - x.x), x.x * (p.rho - x.z) - x.y, x.x * x.y - p.beta * x.z

    return lorenz63


def decay(t, x, p):
    return [-each for each in x]


def test_a_flow_knows_its_parts():
    system = lorenz()
    assert (system.kind, system.name, system.dim, system.state_names) == ("flow", "lorenz63", 3, ("x", "y", "z"))
    assert dict(system.parameters) == {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}
    assert system.x0.tolist() == [1.0, 1.0, 25.0] and system.dt == 0.01 and system.known is KNOWN
    assert system.integrator is None and system.kernels is None and system.noise_recording is None
    assert repr(system) == "<lorenz63: flow of (x, y, z), n = 3; sigma=10, rho=28, beta=2.66667, dt=0.01>"


def test_rule_and_jacobian_are_vectorised():
    system = lorenz()
    x = np.random.default_rng(0).standard_normal((4, 5, 3))
    u, v, w = np.moveaxis(x, -1, 0)
    expected = np.stack([10 * (v - u), u * (28 - w) - v, u * v - 8 / 3 * w], axis=-1)
    assert np.allclose(system.rule(x), expected, rtol=1e-14)
    J = system.jacobian(x)
    assert J.shape == (4, 5, 3, 3)
    assert J[2, 3].tolist() == [[-10, 10, 0], [28 - w[2, 3], -1, -u[2, 3]], [v[2, 3], u[2, 3], -8 / 3]]
    assert system.rule([1, 2, 3]).shape == (3,)


def test_time_reaches_the_rule():
    driven = flow(state="x", parameters={"w": 2.0})(lambda t, x, p: fm.cos(p.w * t) - x.x)
    assert driven.rule([[1.0], [2.0]], t=[0.0, 0.5]).ravel() == pytest.approx([0.0, math.cos(1.0) - 2.0])
    assert driven.name == "lambda"


def test_systems_are_immutable():
    system = iterated_map(state=2, parameters={"w": [1.0, 2.0]}, x0=[0.0, 1.0])(decay)
    with pytest.raises(AttributeError):
        system.dt = 1.0
    with pytest.raises(TypeError):
        system.parameters["w"] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        system.parameters["w"][0] = 3.0
    with pytest.raises(ValueError, match="read-only"):
        system.x0[0] = 3.0


def test_with_parameters():
    system = lorenz()
    other = system.with_parameters(rho=60)
    assert other.parameters["rho"] == 60.0 and system.parameters["rho"] == 28.0
    assert other.known is None and system.with_parameters(rho=28.0).known is KNOWN
    assert other != system and system.with_parameters(rho=28) == system
    assert other.jacobian(np.zeros(3))[1, 0] == 60.0
    with pytest.raises(InputError, match="knows no `r`.*sigma, rho, beta"):
        system.with_parameters(r=1)
    with pytest.raises(InputError, match=r"`rho` must have shape \(\).*parameters=\{'rho': \.\.\.\}"):
        system.with_parameters(rho=[1.0, 2.0])


def test_equal_systems_have_equal_digests():
    assert lorenz() == lorenz() and hash(lorenz()) == hash(lorenz())
    assert lorenz() != lorenz(name="other") and lorenz() != "lorenz63"
    assert lorenz() != lorenz(integrator="dopri5")
    assert lorenz() != lorenz(parameters={"sigma": 10.0, "rho": 28.0, "beta": np.nextafter(8 / 3, 3)})


def test_systems_pickle_as_their_recording():
    system = lorenz(noise="sigma")
    again = pickle.loads(pickle.dumps(system))
    assert again == system and again.digest == system.digest and again.known == KNOWN
    assert again.recording.outputs == system.recording.outputs and again.function is None
    assert again.rule(system.x0).tolist() == system.rule(system.x0).tolist()


def test_state_by_names_numbers_and_lists():
    assert iterated_map(state=3)(decay).state_names == ("x0", "x1", "x2")
    assert iterated_map(state=["a", "b"])(decay).state_names == ("a", "b")
    assert iterated_map(state="a, b")(decay).state_names == ("a", "b")
    assert iterated_map(state="a b", x0={"b": 2, "a": 1})(decay).x0.tolist() == [1.0, 2.0]


def test_noise_is_recorded():
    assert lorenz(noise=0.1).noise_recording.outputs[0].value == 0.1
    assert lorenz(noise="rho").noise_recording.outputs[0].op == "p"
    diagonal = lorenz(noise=lambda t, x, p: (x.x, 0.0, p.beta), noise_directions=np.eye(3)[:, :2])
    assert len(diagonal.noise_recording.outputs) == 3 and diagonal.noise_directions.shape == (3, 2)
    assert diagonal != lorenz()


WRONG = {
    "duplicate": ({"state": "x x"}, "`state` must name each component once, got x"),
    "keyword": ({"state": "x if"}, "got 'if'"),
    "underscore": ({"state": "_x"}, "begin with a letter"),
    "empty": ({"state": ""}, "at least one"),
    "zero": ({"state": 0}, "dimension >= 1"),
    "none": ({"state": None}, "got None"),
    "float": ({"state": 2.5}, "got 2.5"),
    "parameter list": ({"parameters": [1.0]}, "dict of names"),
    "parameter name": ({"parameters": {"a b": 1.0}}, "got 'a b'"),
    "parameter x0": ({"parameters": {"x0": 1.0}}, "rename"),
    "parameter value": ({"parameters": {"a": "1"}}, "real numbers"),
    "parameter nan": ({"parameters": {"a": np.nan}}, "finite"),
    "x0 shape": ({"x0": [1.0, 2.0]}, r"shape \(1,\).*got \(2,\)"),
    "x0 batch": ({"x0": [[1.0]]}, "batches"),
    "x0 names": ({"x0": {"z": 1.0}}, "each of x once, got z"),
    "dt": ({"dt": -0.1}, "`dt` must be > 0"),
    "integrator": ({"integrator": "rk5"}, "'rk4'"),
    "noise": ({"noise": -1.0}, "`noise` must be >= 0"),
    "noise name": ({"noise": "s"}, "`noise` must name a parameter"),
    "noise directions": ({"noise_directions": [1.0]}, r"\(1, q\)"),
    "delay": ({"delay": "tau"}, "`delay` must name parameters, got 'tau'; there are: none"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_definitions(case):
    given, words = WRONG[case]
    with pytest.raises(InputError, match=words):
        flow(**{"state": "x", **given})(decay)


def test_other_wrong_uses():
    with pytest.raises(InputError, match="must be a function"):
        flow(state="x")(3)
    with pytest.raises(InputError, match=r"shape \(\.\.\., 3\)"):
        lorenz().rule([1.0, 2.0])
    with pytest.raises(InputError, match="`sigma`"):
        lorenz().with_noise(-0.1)
    with pytest.raises(TypeError):
        iterated_map(state="x", dt=0.1)


def test_from_scipy_takes_parameter_names_from_the_signature():
    def pendulum(t, y, damping, drive):
        angle, speed = y
        return np.array([speed, -np.sin(angle) - damping * speed + drive * np.cos(t)])

    system = System.from_scipy(pendulum, args=(0.1, 1.5), x0=[1.0, 0.0], dt=0.01)
    assert dict(system.parameters) == {"damping": 0.1, "drive": 1.5} and system.name == "pendulum"
    y = np.array([0.4, -0.2])
    assert system.rule(y, t=0.3) == pytest.approx(pendulum(0.3, y, 0.1, 1.5), rel=1e-15)
    named = System.from_scipy(lambda t, y, *a: [a[0] * y[0]], "q", {"k": 2.0})
    assert named.state_names == ("q",) and dict(named.parameters) == {"k": 2.0}
    assert dict(System.from_scipy(lambda t, y, *a: [a[0] * y[0]], 1, (2.0,)).parameters) == {"p0": 2.0}
    with pytest.raises(InputError, match="`names` or `x0`"):
        System.from_scipy(pendulum, args=(0.1, 1.5))
