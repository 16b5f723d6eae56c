"""Wrong arguments are refused in our words before anything is compiled; bad members are reported, and only they."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.trace import cache

LORENZ = fl.systems.lorenz63()
HENON = fl.systems.henon()


@pytest.fixture
def nothing_compiled(monkeypatch):
    """Loading generated code is an error."""

    def refuse(*_):
        raise AssertionError("a module was loaded before the arguments were checked")

    monkeypatch.setattr(cache, "load", refuse)


def refused(verb, *args, names, **options):
    """Assert an `InputError` that names the argument in backticks and gives more than a name."""
    with pytest.raises(fl.InputError) as caught:
        verb(*args, **options)
    text = str(caught.value)
    assert f"`{names}" in text, text
    assert isinstance(caught.value, ValueError)
    assert len(text) > 20 and text[-1] == "."


ANY = pytest.mark.parametrize("verb", [fl.spectrum, fl.maximal, fl.trajectory])

BAD_STATES = {
    "transposed": np.ones((3, 10)),
    "too long": np.ones(4),
    "0-d": 1.0,
    "NaN": [1.0, np.nan, 1.0],
    "infinite": [1.0, 1.0, np.inf],
    "complex": np.ones(3) * 1j,
    "object": np.array([1.0, None, 2.0], dtype=object),
    "strings": ["a", "b", "c"],
    "masked": np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    "ragged": [[1.0, 2.0, 3.0], [1.0, 2.0]],
    "dates": np.array(["2020-01-01"] * 3, dtype="datetime64[D]"),
    "unknown component": {"x": 1.0, "w": 2.0},
}


@ANY
@pytest.mark.parametrize("kind", list(BAD_STATES))
def test_states(verb, kind, nothing_compiled):
    x0 = BAD_STATES[kind]
    if kind == "transposed":
        with pytest.raises(fl.InputError, match="transpose"):
            verb(LORENZ, x0, steps=10)
    refused(verb, LORENZ, x0, steps=10, names="x0")


BAD_PARAMETERS = {
    "unknown": ({"r": 1.0}, "parameters"),
    "NaN": ({"rho": [28.0, np.nan]}, "parameters['rho']"),
    "complex": ({"rho": 28j}, "parameters['rho']"),
    "strings": ({"rho": "28"}, "parameters['rho']"),
    "masked": ({"rho": np.ma.masked_array([1.0, 2.0], mask=[0, 1])}, "parameters['rho']"),
    "no dict": ([28.0], "parameters"),
    "do not broadcast": ({"rho": np.ones(3), "sigma": np.ones(4)}, "rho"),
}


@ANY
@pytest.mark.parametrize("kind", list(BAD_PARAMETERS))
def test_parameters(verb, kind, nothing_compiled):
    given, names = BAD_PARAMETERS[kind]
    refused(verb, LORENZ, None, given, steps=10, names=names)


def test_parameters_with_a_shape(nothing_compiled):
    refused(fl.spectrum, fl.systems.kuramoto(5), None, {"omega": np.ones(4)}, names="parameters['omega']")
    refused(fl.spectrum, LORENZ, np.ones((4, 3)), {"rho": np.ones(3)}, names="x0")


BAD_OPTIONS = [
    *[("k", value) for value in (0, -1, 4, 1.5, True, "2")],
    *[("steps", value) for value in (0, -5, 2.5, np.nan)],
    *[("transient", value) for value in (-1, 0.5)],
    *[("dt", value) for value in (0, 0.0, -0.01, np.nan, np.inf, "0.1", [0.1, 0.2], True)],
    *[("every", value) for value in (0, -1, "often", 1.5)],
    *[("rtol", value) for value in (0, -1e-6, np.nan)],
    *[("atol", value) for value in (0, np.inf)],
    *[("escape_radius", value) for value in (0, -1, np.nan)],
    *[("dtype", value) for value in ("float16", "complex128", "int64", object)],
    *[("t0", value) for value in (np.nan, "0")],
    ("direction", "forwards"),
    ("backend", "tpu"),
    ("integrator", "rk45"),
    ("integrator", "map"),
    ("threads", 0),
    ("threads", 1.5),
    ("stderr_below", 0),
    ("stderr_below", -1e-3),
    ("members", 0),
    ("seed", -1),
    ("history", "yes"),
    ("resume", "last time"),
]


@pytest.mark.parametrize("name,value", BAD_OPTIONS)
def test_options(name, value, nothing_compiled):
    refused(fl.spectrum, LORENZ, names=name, **{name: value})


def test_options_of_other_verbs(nothing_compiled):
    refused(fl.maximal, LORENZ, k=2, names="k")
    refused(fl.trajectory, LORENZ, steps=0, names="steps")
    refused(fl.trajectory, LORENZ, steps=10, every=0, names="every")
    refused(fl.trajectory, LORENZ, steps=10, dt=0.0, names="dt")
    refused(fl.plan, "spectrum", LORENZ, speed=3, names="speed")
    refused(fl.plan, "gradient", LORENZ, names="verb")
    refused(fl.spectrum, fl.systems.lorenz63, names="system")
    refused(fl.spectrum, HENON, dt=0.1, names="dt")
    refused(fl.spectrum, HENON, members=3, spread="wide", names="spread")
    refused(fl.spectrum, HENON, progress="yes", names="progress")


def test_what_a_system_lacks(nothing_compiled):
    @fl.flow(state="x y")
    def bare(t, x, p):
        return -x.y, x.x

    refused(fl.spectrum, bare, [1.0, 0.0], names="dt")
    refused(fl.spectrum, bare, dt=0.1, names="x0")


def make(rule, state=2, **more):
    return fl.iterated_map(state=state, x0=[0.1] * state, **more)(rule)


def test_rules():
    """Rules that cannot be recorded are refused when they are written, with the reason."""
    with pytest.raises(fl.InputError, match="2"):
        make(lambda t, x, p: (x[0],))
    with pytest.raises(fl.InputError, match="3"):
        make(lambda t, x, p: (x[0], x[1], x[0]))
    with pytest.raises(fl.InputError, match="where"):
        make(lambda t, x, p: (x[0] if x[0] > 0 else -x[0], x[1]))
    with pytest.raises(fl.InputError, match="where"):
        make(lambda t, x, p: (max(x[0], 0), x[1]))
    count = iter(range(100))
    with pytest.raises(fl.InputError, match="second time"):
        make(lambda t, x, p: (x[0] + next(count), x[1]))
    with pytest.raises(fl.InputError):
        make(lambda t, x, p: (float(x[0]), x[1]))
    with pytest.raises(fl.InputError):
        make(lambda t, x, p: (x[0], "no number"))
    with pytest.raises(fl.InputError):
        make(lambda t, x, p: None)


def test_a_rule_that_raises_says_where():
    def broken(t, x, p):
        return x.nonsense, x[0]

    with pytest.raises((fl.InputError, AttributeError), match="nonsense"):
        make(broken)

    def dividing(t, x, p):
        return x[0] / 0, [][3]

    with pytest.raises((IndexError, fl.InputError)):
        make(dividing)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0)])
def test_empty_batches(shape, nothing_compiled):
    """Nothing in, nothing out, in the right shapes; and nothing is compiled."""
    x0 = np.ones((*shape, 3))
    found = fl.spectrum(LORENZ, x0, k=2)
    assert found.exponents.shape == found.stderr.shape == (*shape, 2)
    assert found.status.shape == found.sum_rule.shape == found.kaplan_yorke.shape == shape
    assert found.kind.shape == shape
    assert repr(found)
    orbit = fl.trajectory(LORENZ, x0, steps=10, every=3)
    assert orbit.state.shape == (*shape, 3, 3)


INPUTS = {
    "read-only": lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    "Fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(np.repeat(a, 2, axis=0), 2, axis=1)[::2, ::2],
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "byte-swapped": lambda a: a.astype(">f8"),
    "longdouble": lambda a: a.astype(np.longdouble),
    "list": lambda a: a.tolist(),
    "subclass": lambda a: a.view(np.recarray),
}


@pytest.mark.parametrize("kind", list(INPUTS))
def test_any_layout_is_welcome_and_never_written_to(kind):
    rng = np.random.default_rng(0)
    plain = LORENZ.x0 + rng.standard_normal((5, 3))
    rho = np.linspace(20.0, 40.0, 5)
    wanted = fl.spectrum(LORENZ, plain, {"rho": rho}, steps=20, transient=5)
    given = INPUTS[kind](plain.copy())
    if kind == "read-only":
        rho.flags.writeable = False
    before = np.array(given, dtype=np.float64)
    found = fl.spectrum(LORENZ, given, {"rho": rho}, steps=20, transient=5)
    np.testing.assert_array_equal(found.exponents, wanted.exponents)
    np.testing.assert_array_equal(np.array(given, dtype=np.float64), before)
    np.testing.assert_array_equal(rho, np.linspace(20.0, 40.0, 5))
    assert not np.shares_memory(found.x0, given) if isinstance(given, np.ndarray) else True


def test_small_floats_and_integers_are_numbers():
    """float16 and integers convert exactly."""
    wanted = fl.spectrum(LORENZ, [1.0, 1.0, 25.0], {"rho": 28.0}, steps=20, transient=5)
    for dtype in (np.float16, np.float32, np.int8, np.uint64):
        found = fl.spectrum(LORENZ, np.array([1, 1, 25], dtype=dtype), {"rho": dtype(28)}, steps=20, transient=5)
        np.testing.assert_array_equal(found.exponents, wanted.exponents)


# --- members ---------------------------------------------------------------------------------------------------------


@fl.iterated_map(state="x y", parameters={"a": 1.0, "b": 0.5, "c": 0.0}, x0=(0.3, 0.2))
def many_fates(t, x, p):
    """x grows, y loses its direction or the root of a negative number is taken, as the parameters say."""
    return p.a * x.x + 0 * fl.math.sqrt(1 - p.c * t), p.b * x.y * (1 - x.y)


FATES = {  # name: ((a, b, c), status)
    "well": ((0.9, 0.5, 0.0), fl.Status.OK),
    "escapes": ((3.0, 0.5, 0.0), fl.Status.ESCAPED),
    "loses rank": ((0.9, 0.0, 0.0), fl.Status.DEGENERATE),
    "not a number": ((0.9, 0.5, 0.1), fl.Status.NOT_FINITE),
    "also well": ((0.8, 0.4, 0.0), fl.Status.OK),
}


@pytest.mark.parametrize("every", ["auto", 1, 7])
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
def test_fates_of_members(direction, every):
    """Each member gets its own status and numbers; its neighbours don't change by a bit."""
    a, b, c = np.array([values for values, _ in FATES.values()] * 3).T
    wanted = [code for _, code in FATES.values()] * 3
    how = dict(steps=60, transient=20, direction=direction, every=every)
    found = fl.spectrum(many_fates, parameters={"a": a, "b": b, "c": c}, **how)
    np.testing.assert_array_equal(found.status, wanted)
    failed = fl.Status.failed(found.status)
    assert np.all(np.isnan(found.exponents[failed])) and np.all(np.isnan(found.stderr[failed]))
    assert np.all(np.isneginf(found.exponents[found.status == fl.Status.DEGENERATE, 1]))
    assert np.all(np.isfinite(found.exponents[found.status == fl.Status.OK]))
    assert np.all((found.failed_step >= 0) == failed)
    calm = np.where(failed, 0.9, a)
    alone = fl.spectrum(many_fates, parameters={"a": calm, "b": b, "c": c}, **how)
    np.testing.assert_array_equal(alone.exponents[~failed], found.exponents[~failed])
    np.testing.assert_array_equal(alone.stderr[~failed], found.stderr[~failed])


def test_failures_in_the_transient_and_after_it():
    """The step is counted from the very start."""
    a = np.array([3.0, 1.2, 0.9])  # 0.3 * 3^n passes 1e8 at 18, 0.3 * 1.2^n at 108
    found = fl.spectrum(many_fates, parameters={"a": a, "c": 0.0}, steps=100, transient=50, every=1)
    np.testing.assert_array_equal(found.status, [fl.Status.ESCAPED, fl.Status.ESCAPED, fl.Status.OK])
    expected = np.ceil(np.log(1e8 / 0.3) / np.log(a[:2]))
    np.testing.assert_array_equal(found.failed_step[:2], expected)
    np.testing.assert_array_equal(found.n_steps, [0, expected[1] - 50, 100])
    orbit = fl.trajectory(many_fates, parameters={"a": a, "c": 0.0}, steps=100, transient=50)
    np.testing.assert_array_equal(orbit.status, found.status)
    np.testing.assert_array_equal(orbit.failed_step, found.failed_step)
    for member, step in enumerate(found.failed_step):
        last = 100 if step < 0 else max(step - 51, 0)
        assert np.isfinite(orbit.state[member, :last]).all()
        assert np.isnan(orbit.state[member, last:]).all()


def test_nan_in_the_rule():
    @fl.iterated_map(state="x", parameters={"s": 1.0}, x0=(3.0,))
    def shrinking(t, x, p):
        return fl.math.sqrt(x.x - p.s)

    found = fl.spectrum(shrinking, parameters={"s": [1.0, -1.0]}, steps=20, transient=0)
    np.testing.assert_array_equal(found.status, [fl.Status.NOT_FINITE, fl.Status.OK])
    assert np.isnan(found.exponents[0]).all() and np.isfinite(found.exponents[1]).all()
    assert "NOT_FINITE" in found.message(0) and "step" in found.message(0)


def test_throw():
    with pytest.raises(fl.MemberError, match="1 of 2 members failed"):
        fl.spectrum(HENON, parameters={"a": [1.4, 10.0]}, steps=50, throw=True)
    fl.spectrum(HENON, parameters={"a": [1.4, 1.3]}, steps=50, throw=True)
    fl.spectrum(HENON, parameters={"b": [0.3, 0.0]}, steps=50, throw=True)  # a caution is no failure
    with pytest.raises(fl.MemberError):
        fl.trajectory(HENON, parameters={"a": [1.4, 10.0]}, steps=50, throw=True)
