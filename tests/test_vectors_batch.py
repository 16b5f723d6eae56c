"""Vectors of many members: to the last bit, however they are shared out; members that fail; wrong arguments."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.machines import planning, route, run
from tests import tolerances

compiled = pytest.mark.compiled
MEMBERS = 21
KINDS = ("covariant", "adjoint_covariant", "backward", "forward")
ALL = pytest.mark.parametrize("kind", KINDS)
SYSTEMS = {
    "lorenz63": (fl.systems.lorenz63(), "rho", np.linspace(26.0, 60.0, MEMBERS)),
    "henon": (fl.systems.henon(), "a", np.linspace(1.2, 1.4, MEMBERS)),
}
HOW = dict(steps=60, warmup=(90, 80), every=5)


def compute(name, kind, values=None, **options):
    system, parameter, swept = SYSTEMS[name]
    return fl.vectors(system, None, {parameter: swept if values is None else values}, kind=kind, **{**HOW, **options})


def same(found, wanted, index=slice(None)):
    for name in ("vectors", "state", "local_growth", "exponents", "minimum_angle", "angle_histogram", "separation",
                 "flow_angle", "conditioning", "status", "failed_step"):  # fmt: skip
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name)[index], err_msg=name)


@compiled
@ALL
def test_shared_out_in_any_way(kind, monkeypatch):
    wanted = compute("lorenz63", kind)
    for threads in (1, 3):
        same(compute("lorenz63", kind, threads=threads), wanted)
    order = np.random.default_rng(0).permutation(MEMBERS)
    same(compute("lorenz63", kind, SYSTEMS["lorenz63"][2][order]), wanted, order)
    monkeypatch.setattr(planning, "CHUNK_BYTES", 1)
    monkeypatch.setattr(run, "SLICE_SECONDS", 1e-5)
    same(compute("lorenz63", kind), wanted)


@compiled
@ALL
def test_kept_whole_or_recomputed(kind, monkeypatch):
    """Where the orbit is cut, and how many blocks are recorded together, changes no bit."""
    wanted = compute("lorenz63", kind)
    for stored, group in ((1, 1), (20_000, 1), (50_000, 2**20)):
        monkeypatch.setattr(route, "STORED_BYTES", stored)
        monkeypatch.setattr(route, "GROUP_BYTES", group)
        same(compute("lorenz63", kind), wanted)


@ALL
def test_statistics_alone(kind):
    wanted = compute("henon", kind, SYSTEMS["henon"][2][:3])
    found = compute("henon", kind, SYSTEMS["henon"][2][:3], store=False)
    assert found.vectors is None and found.state is None and found.local_growth is None
    for name in ("exponents", "minimum_angle", "angle_histogram", "separation", "flow_angle", "status"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
    with pytest.raises(fl.InputError, match="store=True"):
        found.angles(0, 1)
    assert "statistics only" in repr(found)


@ALL
def test_against_the_reference(kind):
    """The plain path, from all Jacobians at once; runs so short that chaos does not part the orbits."""
    for name, atol in (("henon", 1e-8), ("lorenz63", 1e-10)):
        how = dict(steps=12, warmup=(20, 24), every=4)
        found, wanted = (compute(name, kind, SYSTEMS[name][2][:2], backend=b, **how) for b in ("cpu", "reference"))
        for each in ("vectors", "state", "local_growth", "exponents", "minimum_angle", "flow_angle"):
            np.testing.assert_allclose(getattr(found, each), getattr(wanted, each), atol=atol, err_msg=each)
        np.testing.assert_array_equal(found.angle_histogram, wanted.angle_histogram)
        np.testing.assert_array_equal(found.times, wanted.times)
        np.testing.assert_allclose(np.log(found.separation), np.log(wanted.separation), atol=1e-5, rtol=1e-6)
        np.testing.assert_array_equal(found.status, wanted.status)


@compiled
def test_on_rows():
    """Larger systems; and k of n."""
    system = fl.systems.lorenz96(12)
    x0 = system.x0 + np.random.default_rng(0).standard_normal((9, 12))
    how = dict(steps=20, warmup=(30, 40), every=10, dt=0.02)
    for kind in KINDS:
        for k in (12, 5):
            found = fl.vectors(system, x0, kind=kind, k=k, **how)
            wanted = fl.vectors(system, x0[:2], kind=kind, k=k, backend="reference", **how)
            np.testing.assert_allclose(found.vectors[:2], wanted.vectors, atol=1e-10)
            np.testing.assert_allclose(found.local_growth[:2], wanted.local_growth, atol=1e-9)
            if "covariant" in kind:
                assert found.covariance_residual(system).max() < 1e-8


@compiled
def test_float32():
    how = dict(steps=20, warmup=(20, 40))
    wide, narrow = (compute("lorenz63", "covariant", **how, dtype=dtype) for dtype in ("float64", "float32"))
    allowed = tolerances.growth("float32", steps=80, stretch=3.0)
    np.testing.assert_allclose(narrow.vectors, wide.vectors, atol=100 * allowed)


def test_angles_and_counts():
    found = compute("henon", "covariant", SYSTEMS["henon"][2][:2], every=1, steps=40)
    angles = found.angles(0, 1)
    assert angles.shape == (2, 40)
    np.testing.assert_allclose(found.minimum_angle[:, 0, 1], angles.min(axis=-1), atol=1e-7)
    np.testing.assert_allclose(found.principal_angles(1)[..., 0], angles, atol=1e-12)
    for member in range(2):
        counts = np.histogram(angles[member], found.angle_edges)[0]
        np.testing.assert_array_equal(found.angle_histogram[member, 1, 0], counts)
    assert np.all(found.angle_histogram[:, 0, 0] == 0)
    test = found.hyperbolicity(threshold=0.0)
    np.testing.assert_array_equal(test.n_unstable, 1)
    np.testing.assert_array_equal(test.angle, found.minimum_angle[:, 0, 1])
    assert test.hyperbolic.all()
    assert not found.hyperbolicity(threshold=1.6).hyperbolic.any()


@ALL
def test_members_that_fail(kind):
    """One escapes, one starts where the rule divides by zero; the others do not notice."""
    a = np.array([1.3, 1.4, 5.0, 1.35])
    found = compute("henon", kind, a)
    well = np.array([True, True, False, True])
    np.testing.assert_array_equal(found.status[~well], fl.Status.ESCAPED)
    assert 0 < found.failed_step[2] <= 90
    for name in ("vectors", "state", "local_growth", "exponents", "minimum_angle", "separation"):
        assert np.isnan(getattr(found, name)[2]).all(), name
        assert np.isfinite(getattr(found, name)[well]).all(), name
    assert found.angle_histogram[2].sum() == 0
    same(compute("henon", kind, a[well]), found, well)
    with pytest.raises(fl.MemberError, match="ESCAPED"):
        compute("henon", kind, a, throw=True)


@ALL
def test_beyond_the_rank(kind):
    """A direction that is always lost has exponent -inf; the vectors before it are as they would be without it."""

    @fl.iterated_map(state=3, x0=(0.1, 0.1, 0.3))
    def flat(t, x, p):
        return 1 - 1.4 * x[0] ** 2 + x[1], 0.3 * x[0], x[0] * 0 + 0.5

    found = fl.vectors(flat, kind=kind, steps=10, warmup=30)
    assert found.status == fl.Status.DEGENERATE
    assert found.exponents[2] == -np.inf
    assert np.isfinite(found.vectors).all()
    alone = fl.vectors(fl.systems.henon(), (0.1, 0.1), kind=kind, steps=10, warmup=30)
    np.testing.assert_allclose(np.abs(found.vectors[:, :2, :2]), np.abs(alone.vectors), atol=1e-9)
    np.testing.assert_allclose(np.abs(found.vectors[:, 2]), [[0, 0, 1]] * 10, atol=1e-9)


def test_without_members():
    found = fl.vectors(fl.systems.henon(), np.empty((0, 2)), steps=10, warmup=5)
    assert found.vectors.shape == (0, 10, 2, 2)
    assert found.angle_histogram.shape == (0, 2, 2, 64)


WRONG = [
    (dict(kind="left"), "`kind` must be one of"),
    (dict(k=3), "`k` must be at most the dimension"),
    (dict(steps=0), "`steps` must be a whole number >= 1"),
    (dict(steps=10, every=20), "no vectors are shown"),
    (dict(every=0), "`every` must be a whole number >= 1"),
    (dict(warmup="long"), '`warmup` must be "auto"'),
    (dict(warmup=0), "`warmup` must be a whole number >= 1"),
    (dict(warmup=(10, 0)), r"`warmup\[1\]` must be a whole number >= 1"),
    (dict(warmup=(1, 2, 3)), "`warmup` must be one number or"),
    (dict(store="yes"), "`store` must be True or False"),
    (dict(dt=-0.1), "`dt` has no meaning for a map"),
    (dict(backend="gpu"), "`backend` must be one of"),
]


def test_results_that_cannot_fit_are_refused():
    with pytest.raises(fl.InputError, match="store=False"):
        fl.vectors(fl.systems.henon(), np.zeros((10**6, 2)), steps=10**6)


def test_delays_are_refused():
    for verb in (fl.vectors, fl.finite_time):
        with pytest.raises(fl.InputError, match="has a delay"):
            verb(fl.systems.mackey_glass(), steps=10)


@pytest.mark.parametrize("options,message", WRONG)
def test_wrong_arguments(options, message):
    with pytest.raises(fl.InputError, match=message):
        fl.vectors(fl.systems.henon(), **{"steps": 10, **options})


def test_wrong_questions():
    found = fl.vectors(fl.systems.henon(), steps=10, warmup=5, kind="backward")
    for call, message in (
        (lambda: found.angles(0, 2), "`j` must be a number from 0 to 1"),
        (lambda: found.principal_angles(2), "`split` must be from 1 to 1"),
        (lambda: found.covariance_residual(fl.systems.henon()), "is one of covariant vectors"),
    ):
        with pytest.raises(fl.InputError, match=message):
            call()


def test_saved_and_labelled(tmp_path):
    found = compute("henon", "covariant", SYSTEMS["henon"][2][:2])
    fl.save(found, tmp_path / "v.npz")
    again = fl.load(tmp_path / "v.npz")
    same(again, found)
    code = f"import fastlyap as fl; print(fl.load({str(tmp_path / 'v.npz')!r}))"  # where nothing has been used yet
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.strip() == repr(found)
    assert again.settings["warmup"] == (90, 80)
    data = found.to_xarray()
    assert data.vectors.dims == ("a", "time", "vector", "component")
    assert data.angle_histogram.dims == ("a", "vector", "other", "bin")
    assert data.sizes["bin"] == 64
    assert data.attrs["units"] == "nats per step"


@compiled
@ALL
def test_noise_and_other_steppers(kind):
    """The same noise there and back; symplectic steps."""
    noisy = fl.vectors(fl.systems.henon().with_noise(1e-3), kind=kind, steps=30, warmup=60)
    dual = {"covariant": "adjoint_covariant", "adjoint_covariant": "covariant"}.get(kind)
    if dual:
        other = fl.vectors(fl.systems.henon().with_noise(1e-3), kind=dual, steps=30, warmup=60)
        np.testing.assert_array_equal(noisy.state, other.state)
        off = np.abs(np.einsum("tn,tn->t", noisy.vectors[:, 0], other.vectors[:, 1])).max()
        assert off < 1e-10
        heiles = fl.systems.henon_heiles()
        how = dict(kind=kind, steps=20, warmup=100, integrator="yoshida4", dt=0.05)
        assert fl.vectors(heiles, **how).covariance_residual(heiles).max() < 1e-8
    with pytest.raises(fl.InputError, match="covariance_residual"):
        noisy.covariance_residual(fl.systems.henon().with_noise(1e-3))


@compiled
def test_ctrl_c(monkeypatch):
    """Stops within about a second; members that were done keep their numbers."""
    fl.vectors(fl.systems.lorenz63(), np.ones((2, 3)), steps=10, warmup=10, store=False)  # compiled now
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    start = time.monotonic()
    timer.start()
    with pytest.raises(fl.Interrupted) as caught:
        fl.vectors(fl.systems.lorenz63(), np.ones((20_000, 3)), steps=20_000, warmup=100, store=False)
    assert time.monotonic() - start < 5
    partial = caught.value.partial
    assert np.all((partial.status == fl.Status.PENDING) == np.isnan(partial.exponents[:, 0]))
    assert np.any(partial.status == fl.Status.PENDING)


def test_plan():
    lorenz = fl.systems.lorenz63()
    short, long = (fl.plan("vectors", lorenz, steps=steps, warmup=100) for steps in (100, 10**6))
    assert "kept whole" in str(short)
    assert "recomputed from checkpoints" in str(long)
    stored, lean = (fl.plan("vectors", lorenz, steps=10**6, warmup=100, store=store) for store in (True, False))
    assert lean.memory < 5e7 < stored.memory
    with pytest.raises(fl.InputError, match="`steps` is missing"):
        fl.plan("vectors", lorenz)
    with pytest.raises(fl.InputError, match="`stepz` is not an argument"):
        fl.plan("vectors", lorenz, steps=3, stepz=4)
