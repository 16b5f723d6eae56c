"""Compiled shadowing: against the reference, exact responses, Lorenz' climate, and what must be refused or doubted."""

import numpy as np
import pytest
import responses

import fastlyap as fl
from fastlyap.backend import sensitivity
from fastlyap.backend.segments import SegmentBatch, Shape
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.sensitivity import shadowing as reference
from fastlyap.reference.sensitivity.orbit import orbit
from fastlyap.request import Integration
from fastlyap.trace.augment import augmented, widened
from fastlyap.trace.shadowing import assemble_shadowing

CAT = fl.iterated_map(state="x y", parameters={"eps": 0.0, "kappa": 0.0}, x0=(0.3, 0.4))(responses.cat)
LORENZ = fl.systems.lorenz63()


def both(system, fn, *, integrator="map", dt=1.0, modes, length, flow, marching, members=3, segments=12):
    """Gradients (members, p) of one batch by the kernels and by the reference, from the same frame."""
    columns, n = tuple(range(system.flat_parameters.size)), system.dim
    random = np.random.default_rng(modes + length)
    x = np.asarray(system.x0) + 0.1 * random.standard_normal((members, n))
    p = np.tile(system.flat_parameters, (members, 1))
    names = tuple(system.parameters)
    dynamics = Dynamics(system.function, p, names, ((),) * len(names), tuple(system.state_names), integrator, dt)
    made = orbit(dynamics, columns, fn, x, steps=segments * length)
    frame = reference.first_frame(made, modes, random)
    left = reference.sweep(made, frame, length)
    a = reference.march(left) if marching else reference.least_squares(left, neutral=flow)

    how = Integration(integrator, dt, 0.0, 1e-9, 1e-12, 1e8, "float64")
    wide, phi = augmented(system, columns), fl.average(fn).recorded(system)
    width = sensitivity.width_of(members)
    module = assemble_shadowing(n, wide, [widened(phi, phi.outputs, columns)], integrator, width)
    kernels = sensitivity.load(module, how, wide.dim, width)
    rows = np.concatenate([x, np.zeros((members, 1))], axis=1)
    batch = SegmentBatch(kernels, rows, p, p, 1 + modes)
    batch.begin(Shape(segments, modes, 1, flow, len(columns)), frame)
    half = segments // 2 * length
    other = SegmentBatch(kernels, rows, p, p, 0)
    other.wander(how, 0.0, 0, half, half)
    batch.go_to(other.checkpoint())
    batch.walk_back(how, 0.0, half, segments * length - half, length=length, segment=segments // 2)
    batch.go_to(SegmentBatch(kernels, rows, p, p, 0).checkpoint())
    batch.walk_back(how, 0.0, 0, half, length=length, segment=0)
    found = batch.solve(marching)[:, 0] / (segments * length)
    return found, reference.contribution(made, left, a)


@pytest.mark.parametrize(("modes", "length", "marching"), [(1, 5, True), (1, 5, False), (2, 3, False), (0, 4, False)])
def test_kernels_do_what_the_formulas_say_for_a_map(modes, length, marching):
    found, expected = both(CAT, responses.difference, modes=modes, length=length, flow=False, marching=marching)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * scale)


@pytest.mark.parametrize(("modes", "flow"), [(2, True), (3, True), (2, False)])
def test_kernels_do_what_the_formulas_say_for_a_flow(modes, flow):
    def fn(x, p):
        return x[2] * p.rho / 28.0

    how = dict(integrator="rk4", dt=0.01, length=15, segments=6)
    found, expected = both(LORENZ, fn, modes=modes, flow=flow, marching=False, **how)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.compiled
@pytest.mark.parametrize("solver", ["least_squares", "march"])
def test_shadowing_part_of_the_cat_maps_response_is_exact(solver):
    method = fl.Shadowing(solver=solver)
    g = fl.gradient(CAT, fl.average(responses.difference), steps=20_000, members=16, method=method)
    for name, (exact, _) in responses.CAT.items():
        assert abs(g.gradient[name] - exact) < 5 * g.stderr[name] + 1e-3 * abs(exact)
    assert g.status == fl.Status.OK and g.stats["unstable"] == 1
    np.testing.assert_allclose(g.stats["exponents"].ravel()[0], np.log((3 + 5**0.5) / 2), atol=1e-4)


@pytest.mark.compiled
def test_the_climate_of_lorenz():
    g = fl.gradient(
        LORENZ, fl.average(lambda x, p: x.z), "rho", steps=40_000, transient=4000, dt=0.005, members=32,
        method=fl.Shadowing(),
    )  # fmt: skip
    assert g.status == fl.Status.OK and g.stats["modes"] == 3 and 32 <= g.stats["segment"] <= 256
    assert abs(g.median["rho"] - 1.017) < 0.002 and abs(g.gradient["rho"] - 1.017) < 0.005
    np.testing.assert_allclose(g.stats["exponents"], [0.906, 0.0, -14.57], atol=0.03)
    assert g.value == pytest.approx(23.549, abs=0.05)


@pytest.mark.compiled
def test_a_grid_is_its_points_and_segments_do_not_matter():
    options = dict(wrt="rho", steps=4000, transient=2000, dt=0.005, members=8, keep_members=True)
    objective = fl.average(lambda x, p: x.z)
    short = fl.gradient(LORENZ, objective, method=fl.Shadowing(segment=20, modes=2), **options)
    long = fl.gradient(LORENZ, objective, method=fl.Shadowing(segment=40, modes=2), **options)
    np.testing.assert_allclose(short.members["rho"], long.members["rho"], rtol=1e-5)
    options["parameters"] = {"rho": np.array([28.0, 40.0])}
    grid = fl.gradient(LORENZ, objective, method=fl.Shadowing(segment=40, modes=2), **options)
    assert grid.gradient["rho"].shape == (2,) and grid.members["rho"].shape == (2, 8)
    # the first start is the one given; the others depend on the place in the batch
    np.testing.assert_allclose(grid.members["rho"][0, 0], long.members["rho"][0], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.compiled
def test_several_objectives_at_once():
    options = dict(wrt="rho", steps=2000, transient=1000, dt=0.01, members=4, method=fl.Shadowing(20, 2))
    two = fl.gradient(LORENZ, (fl.average(lambda x, p: x.z), fl.average(lambda x, p: x.x * x.x)), **options)
    for g, fn in zip(two, (lambda x, p: x.z, lambda x, p: x.x * x.x), strict=True):
        alone = fl.gradient(LORENZ, fl.average(fn), **options)
        np.testing.assert_allclose(g.gradient["rho"], alone.gradient["rho"], rtol=1e-7)


@pytest.mark.compiled
def test_without_instability_it_is_backpropagation():
    @fl.iterated_map(state="x y", parameters={"a": 0.5}, x0=(0.3, 0.1))
    def calm(t, x, p):
        return fl.math.cos(p.a * x.x + x.y) / 2, fl.math.sin(x.x) / 3

    options = dict(steps=2000, transient=200, members=2)
    g = fl.gradient(calm, fl.average(lambda x, p: p.a * x.x * x.y), method=fl.Shadowing(), **options)
    exact = fl.gradient(calm, fl.average(lambda x, p: p.a * x.x * x.y), method=fl.Backprop(), **options)
    assert g.stats["modes"] == 0
    np.testing.assert_allclose(g.gradient["a"], exact.gradient["a"], rtol=1e-9)


def network(n, gain, seed):
    random = np.random.default_rng(seed)
    J = random.standard_normal((n, n)) / np.sqrt(n)

    @fl.iterated_map(state=n, parameters={"g": float(gain)}, x0=random.standard_normal(n))
    def network(t, x, p):
        h = [fl.math.tanh(x[i]) for i in range(n)]
        return [p.g * sum(J[i, j] * h[j] for j in range(n)) for i in range(n)]

    return network


@pytest.mark.compiled
@pytest.mark.parametrize("sizes", [(16, 3, 0), pytest.param((32, 3, 7), marks=pytest.mark.slow)])
def test_heavy_tails_are_doubted(sizes):
    system, n = network(*sizes), sizes[0]
    objective = fl.average(lambda x, p: sum(x[i] * x[i] for i in range(n)) / n)
    for method in (fl.Shadowing(), fl.Shadowing(modes=6), fl.Shadowing(solver="march", modes=5)):
        g = fl.gradient(system, objective, steps=2000, members=16, method=method)
        assert g.status == fl.Status.UNTRUSTED and g.stats["reasons"], method


@pytest.mark.compiled
def test_a_march_with_other_modes_than_the_unstable_ones_is_doubted():
    for modes in (0, 2):
        method = fl.Shadowing(solver="march", modes=modes)
        g = fl.gradient(CAT, fl.average(responses.difference), steps=4000, members=8, method=method)
        assert g.status == fl.Status.UNTRUSTED and any("march" in reason for reason in g.stats["reasons"])


@pytest.mark.compiled
def test_too_few_modes_and_a_missing_neutral_direction_are_doubted():
    method = fl.Shadowing(modes=0)
    g = fl.gradient(CAT, fl.average(responses.difference), steps=1000, members=8, method=method)
    assert g.status == fl.Status.UNTRUSTED


@pytest.mark.parametrize(
    ("system", "method", "objective", "options", "word"),
    [
        (LORENZ, fl.Shadowing(solver="march"), fl.average(lambda x, p: x.z), {}, "solver"),
        (LORENZ, fl.Shadowing(modes=4), fl.average(lambda x, p: x.z), {}, "modes"),
        (LORENZ, fl.Shadowing(), fl.terminal(lambda x, p: x.z), {}, "objective"),
        (LORENZ, fl.Shadowing(segment=2000), fl.average(lambda x, p: x.z), {}, "segment"),
        (CAT, fl.Shadowing(), fl.average(lambda x, p: x.x), {"wrt": "x0", "transient": 0}, "x0"),
    ],
)
def test_what_has_no_meaning_is_refused(system, method, objective, options, word):
    with pytest.raises(fl.InputError, match=word):
        fl.gradient(system, objective, steps=1000, method=method, **options)


@pytest.mark.parametrize("fields", [{"segment": 0}, {"segment": "long"}, {"modes": -1}, {"solver": "walk"}])
def test_fields_are_checked(fields):
    with pytest.raises(fl.InputError, match=next(iter(fields))):
        fl.Shadowing(**fields)


@pytest.mark.compiled
def test_fixed_points_and_chaos_in_one_grid_by_the_automatic_method():
    """At rho = 15 orbits end in one of two fixed points with z = rho - 1."""
    g = fl.gradient(LORENZ, fl.average(lambda x, p: x.z), "rho", parameters={"rho": np.array([15.0, 28.0])},
                    steps=8000, transient=4000, dt=0.01)  # fmt: skip
    assert g.stats["method"] == "Shadowing" and g.stats["modes"].tolist() == [0, 3]
    np.testing.assert_allclose(g.median["rho"], [1.0, 1.017], atol=0.01)
    assert np.all(g.status == fl.Status.OK)


@pytest.mark.compiled
def test_a_cycle():
    """x'' = -w^2 x + (1 - r^2) x' + ..., the normal form with amplitude sqrt(a): <x^2> = a / 2."""

    @fl.flow(state="x y", parameters={"a": 2.0}, x0=(1.0, 0.3), dt=0.02)
    def hopf(t, x, p):
        r = x.x * x.x + x.y * x.y
        return x.x * (p.a - r) - 2 * x.y, x.y * (p.a - r) + 2 * x.x

    g = fl.gradient(hopf, fl.average(lambda x, p: x.x * x.x), steps=20_000, members=8)
    assert g.stats["unstable"] == 0 and g.stats["modes"] == 2
    assert g.gradient["a"] == pytest.approx(0.5, abs=0.01)
