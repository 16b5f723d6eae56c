"""Sweeps of `gradient`: numbers of the plain call whatever the chunks, recorded objectives, labelled arrays."""

import pickle

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.machines import noise
from fastlyap.machines.gradient_reasons import OTHER, Reason, packed, unpacked
from fastlyap.sweeps.job import job_of

pytest.importorskip("zarr")


@fl.iterated_map(state="u v", parameters=dict(K=0.3, w=np.array([0.1, 0.2])), x0=(0.1, 0.2))
def settling(t, x, p):
    return 0.5 * x.u + p.w[0] + p.K * fl.math.sin(x.v), 0.4 * x.v + p.w[1] * fl.math.cos(x.u)


@fl.iterated_map(state="u v", parameters=dict(s=0.0), x0=(0.1, 0.2))
def shifted_cat(t, x, p):
    return fl.math.mod(2 * x.u + x.v + p.s, 1.0), fl.math.mod(x.u + x.v, 1.0)


NOISY = fl.systems.henon().with_noise(0.01)
PRODUCT = fl.average(lambda x, p: x.u * x.v)
FIRST = fl.average(lambda x, p: x[0])
LAST = fl.terminal(lambda x, p: x.u)
PERIODIC = fl.average(lambda x, p: fl.math.cos(6.283185307179586 * x[0]))
BETA = fl.PathKernel(lambda n: 0.5 + n % 2 / 4, window=8)
BACKPROP = dict(objective=PRODUCT, steps=50, transient=20, members=8, method=fl.Backprop(), keep_members=True)


def swept(store, system, grid, **options):
    return fl.sweep("gradient", system, grid, store=store, **{"chunk": 2, "progress": False, **options})


def assert_same(found, wanted, name="result"):
    """Equal to the last bit, dictionaries entry by entry."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), name
        for key, value in wanted.items():
            assert_same(found[key], value, f"{name}/{key}")
    elif isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype, name
        np.testing.assert_array_equal(found, wanted, err_msg=name)
    else:
        assert found == wanted, name


def assert_plain(store, system, grid, **options):
    """A sweep in chunks of two, and the plain call, hold the same."""
    wanted = dict(options)
    wanted = fl.gradient(system, wanted.pop("objective"), wanted.pop("wrt", None), None, grid, **wanted)
    found = swept(store, system, grid, **options)
    assert_same(vars(found.result()), {name: v for name, v in vars(wanted).items() if name != "_again"})
    return found


@pytest.mark.compiled
def test_every_bit_and_every_label(tmp_path):
    xarray = pytest.importorskip("xarray")
    grid = fl.grid(K=np.linspace(0.1, 0.4, 5))
    found = assert_plain(tmp_path / "a.zarr", settling, grid, **BACKPROP)
    data = xarray.open_zarr(tmp_path / "a.zarr", chunks=None)
    assert data.gradient_K.dims == ("K",) and data.gradient_w.dims == ("K", "w_0")
    assert data.members_w.dims == ("K", "member", "w_0") and data.value.dims == ("K",)
    np.testing.assert_array_equal(data.gradient_w, found.result().gradient["w"])
    meanings = data.stats_reasons.attrs["flag_meanings"].split()
    bit = data.stats_reasons.attrs["flag_masks"][meanings.index("NOT_PARTED")]
    assert np.all(data.stats_reasons.values & bit)
    assert found.gradient["w"].shape == (5, 2) and "gradient" in dir(found)
    assert Reason.NOT_PARTED in found.message(0)


def test_members_know_their_numbers_in_any_chunk():
    job = job_of("gradient", NOISY, fl.grid(a=np.linspace(1.0, 1.2, 5)), dict(objective=FIRST, members=4, steps=1700))
    found = noise.numbers(job.part(np.array([1, 3])).request.members, NOISY)
    np.testing.assert_array_equal(found, [4, 5, 6, 7, 12, 13, 14, 15])


@pytest.mark.slow
@pytest.mark.compiled
def test_automatic_shares_of_noise(tmp_path):
    grid = fl.grid(a=np.linspace(1.0, 1.2, 3))
    how = dict(objective=FIRST, wrt="a", steps=1700, transient=50, members=4)
    found = assert_plain(tmp_path / "a.zarr", NOISY, grid, **how)
    assert found.result().stats["beta"].shape == (3,)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize(
    ("system", "values", "how"),
    [
        (fl.systems.lorenz63(), dict(rho=[20.0, 30.0, 40.0]), dict(steps=2000)),
        (settling, dict(K=[0.1, 0.2, 0.3]), dict(objective=LAST, wrt=("w", "x0"), transient=0)),
        (settling, dict(K=[0.1, 0.2, 0.3]), dict(method=fl.FiniteDifference(0.01), transient=0)),
        (NOISY, dict(a=[1.0, 1.1, 1.2]), dict(method=fl.FiniteDifference(0.01, "independent"))),
        (NOISY, dict(a=[1.0, 1.1, 1.2]), dict(method=fl.KernelDifferentiation(8), steps=1700)),
        (NOISY, dict(a=[1.0, 1.1, 1.2]), dict(method=BETA, steps=900)),
        (shifted_cat, dict(s=[0.0, 0.1, 0.2]), dict(objective=PERIODIC, method=fl.FastResponse(window=6), steps=500)),
    ],
    ids=["shadowing", "start", "differences", "independent", "kernel", "schedule", "response"],
)
def test_every_method(tmp_path, system, values, how):
    (name,) = values
    usual = dict(objective=FIRST, wrt=name, steps=60, transient=20, members=4)
    assert_plain(tmp_path / "a.zarr", system, fl.grid(**values), **{**usual, **how})


@pytest.mark.compiled
def test_what_decides_the_numbers_is_in_the_manifest(tmp_path):
    grid = fl.grid(K=[0.1, 0.2])
    found = swept(tmp_path / "a.zarr", settling, grid, **BACKPROP)
    told = found.manifest["settings"]
    assert told["objectives"] == [PRODUCT.recorded(settling).digest] and told["method"]["class"] == "Backprop"
    assert swept(tmp_path / "a.zarr", settling, grid, **BACKPROP).done == 2
    changes = dict(objective=fl.average(lambda x, p: x.u), method=fl.Backprop(clip=1.0), wrt="K", seed=1)
    for name, value in changes.items():
        with pytest.raises(fl.InputError, match="holds another sweep"):
            swept(tmp_path / "a.zarr", settling, grid, **{**BACKPROP, name: value})


def test_a_task_travels_without_functions():
    how = dict(objective=FIRST, wrt="a", steps=900, method=fl.PathKernel(beta=lambda n: 0.5, window=8))
    job = job_of("gradient", NOISY, fl.grid(a=[1.0, 1.1]), how)
    again = pickle.loads(pickle.dumps(job))
    assert again.request.objectives == job.request.objectives and again.request.method.beta == (0.5,) * 900


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dict(objective=...), "`objective` is missing"),
        (dict(objective=(PRODUCT, PRODUCT)), "store of its own"),
        (dict(objective=lambda x, p: x.u), "fl.average"),
        (dict(wrt="L"), "`wrt` has no `L`"),
        (dict(backend="cuda"), "`backend`"),
        (dict(keep_state=True), "`keep_state`"),
    ],
)
def test_wrong_words(tmp_path, change, said):
    options = {name: value for name, value in {**BACKPROP, **change}.items() if value is not ...}
    with pytest.raises(fl.InputError, match=said):
        swept(tmp_path / "a.zarr", settling, fl.grid(K=[0.1, 0.2]), **options)


def test_reasons_as_bits():
    reasons = {str(Reason.HEAVY): np.array([True, False, True]), "of a later version": np.array([False, False, True])}
    found = unpacked(packed(reasons, (3,)))
    assert_same(found, {str(Reason.HEAVY): reasons[Reason.HEAVY], OTHER: reasons["of a later version"]})
    assert unpacked(packed({}, (3,))) == {}
