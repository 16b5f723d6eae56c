"""Sweeps into a store: numbers of the plain call; resumed, refused, extended, repeated; read lazily and by xarray."""

import dataclasses

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.sweeps import lock
from fastlyap.sweeps.job import job_of

pytest.importorskip("zarr")
pytestmark = pytest.mark.compiled

HENON = fl.systems.henon()
GRID = fl.grid(a=np.linspace(1.0, 1.5, 9), b=np.linspace(0.1, 0.3, 4))
HOW = dict(steps=200, transient=20)


def swept(store, verb="spectrum", system=HENON, grid=GRID, **options):
    return fl.sweep(verb, system, grid, store=store, **{"chunk": 7, "progress": False, **HOW, **options})


def assert_same(found, wanted):
    """Every field of two results, bit for bit."""
    for field in dataclasses.fields(wanted):
        value, other = getattr(wanted, field.name), getattr(found, field.name)
        if isinstance(value, dict) and field.name != "settings":
            assert value.keys() == other.keys()
            for name in value:
                np.testing.assert_array_equal(other[name], value[name], err_msg=name)
        elif isinstance(value, np.ndarray):
            assert other.dtype == value.dtype, field.name
            np.testing.assert_array_equal(other, value, err_msg=field.name)
        elif field.name != "unit":
            assert other == value, field.name


@pytest.fixture(scope="module")
def plain():
    return fl.spectrum(HENON, None, GRID, history=False, **HOW)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "a plane of Hénon.zarr"


class TestNumbers:
    """What is in the store is what the verb returns."""

    def test_spectrum_bit_for_bit(self, store, plain):
        found = swept(store)
        assert_same(found.result(), plain)
        assert (found.done, found.failed) == (36, int(fl.Status.failed(plain.status).sum()))
        assert found.failed > 0 and "ESCAPED" in repr(found)
        assert not list(store.parent.glob("*.lock"))

    def test_parts_of_a_result(self, store, plain):
        found = swept(store)
        np.testing.assert_array_equal(found.exponents[2:4, 1], plain.exponents[2:4, 1])
        one = found.result((-1, 2))
        assert one.dims == () and one.parameters["a"] == 1.5
        np.testing.assert_array_equal(one.status, plain.status[-1, 2])
        some = found.result((slice(1, 5), 3))
        assert some.dims == ("a",) and some.to_xarray().sizes["a"] == 4
        assert "member" in found.message((8, 3)) or "run" in found.message((8, 3))
        with pytest.raises(fl.InputError, match="`index`"):
            found.result((9, 0))
        with pytest.raises(AttributeError, match="vectors"):
            _ = found.vectors

    @pytest.mark.slow
    def test_noise_is_that_of_the_whole_batch(self, store):
        noisy = HENON.with_noise(0.001)
        grid = fl.grid(a=np.linspace(1.0, 1.2, 11))
        found = swept(store, system=noisy, grid=grid).result()
        assert_same(found, fl.spectrum(noisy, None, grid, history=False, **HOW))

    def test_several_starts_of_a_point(self, store):
        grid = fl.grid(a=np.linspace(1.0, 1.2, 5))
        found = swept(store, grid=grid, members=3, chunk=2).result()
        assert_same(found, fl.spectrum(HENON, None, grid, members=3, history=False, **HOW))

    @pytest.mark.parametrize("verb", ["maximal", "trajectory"])
    def test_other_verbs(self, store, verb):
        grid = fl.grid(x0=dict(x=[0.0, 0.1, 0.2]), a=[1.1, 1.2])
        found = swept(store, verb, grid=grid, chunk=4).result()
        extra = dict(history=False) if verb == "maximal" else {}
        assert_same(found, getattr(fl, verb)(HENON, None, grid, **HOW, **extra))

    @pytest.mark.slow
    def test_recurrent_cells(self, store):
        cells = fl.networks.random_rnn(6, g=np.linspace(0.5, 2.0, 5), seed=0)
        found = fl.sweep("spectrum", cells, store=store, steps=50, transient=10, k=2, chunk=2, progress=False)
        assert found.dims == ("g",)
        assert_same(found.result(), fl.spectrum(cells, steps=50, transient=10, k=2, history=False))

    def test_parts_of_cells_run_their_program(self):
        cells = fl.networks.random_rnn(6, g=np.linspace(0.5, 2.0, 5), seed=0)
        job = job_of("spectrum", cells, None, dict(steps=50))
        assert job.part(slice(1, 3)).program_here() == job.plan.program

    def test_parts_of_systems_without_parameters(self):
        job = job_of("gali", fl.systems.henon_heiles(), None, dict(x0=np.ones((5, 4)), steps=10))
        part = job.part(slice(1, 3))
        assert len(part) == 2 and part.request.members.p.shape == (2, 0)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("verb", "options"),
        [("gali", {}), ("finite_time", {}), ("vectors", dict(store=False, warmup=50, transient=None))],
    )
    def test_verbs_about_directions(self, store, verb, options):
        grid = fl.grid(a=np.linspace(1.0, 1.2, 6))
        how = {name: value for name, value in {**HOW, **options}.items() if value is not None}
        swept_how = {name: value for name, value in how.items() if name != "store"}
        found = fl.sweep(verb, HENON, grid, store=store, chunk=4, progress=False, **swept_how).result()
        assert_same(found, getattr(fl, verb)(HENON, None, grid, **how))

    def test_a_store_in_memory(self):
        import zarr

        memory = zarr.storage.MemoryStore()
        assert swept(memory).done == 36 and fl.open_sweep(memory).done == 36


class TestResume:
    """A second call goes on, or says why not."""

    def test_nothing_to_do(self, store):
        before = swept(store).result()
        calls = []
        assert_same(swept(store, progress=calls.append).result(), before)
        assert not calls

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (dict(steps=201), "steps: 200 in the store, 201 asked for"),
            (dict(escape_radius=10.0), "escape_radius"),
            (dict(grid=fl.grid(a=np.linspace(1, 1.5, 9), b=np.linspace(0.1, 0.31, 4))), "the points differ"),
            (dict(system=HENON.with_parameters(b=0.2)), "the rule or its defaults differ"),
            (dict(verb="maximal"), "verb: spectrum in the store"),
            (dict(dtype="float32"), "dtype"),
        ],
    )
    def test_what_changes_numbers_is_refused(self, store, change, said):
        swept(store)
        with pytest.raises(fl.InputError, match=said):
            swept(store, **change)

    def test_other_versions_only_if_asked(self, store, monkeypatch):
        from fastlyap.sweeps import manifest

        swept(store)
        monkeypatch.setattr(manifest, "versions", lambda: {"fastlyap": "99"})
        with pytest.raises(fl.InputError, match=r"fastlyap: .* asked for; .*mixed=True"):
            swept(store)
        assert swept(store, mixed=True).manifest["mixed"][0]["versions"] == {"fastlyap": "99"}

    def test_more_steps_from_stored_states(self, store):
        swept(store, keep_state=True)
        found = swept(store, keep_state=True, steps=500)
        longer = fl.spectrum(HENON, None, GRID, history=True, **{**HOW, "steps": 500})
        assert_same(found.result(), longer)
        assert found.result().history(5).exponents.shape[-1] == 2

    def test_failed_points_again(self, store, plain):
        failed = swept(store).failed
        found = swept(store, only="failed", escape_radius=1e300, steps=10, transient=0)
        assert 0 < failed and found.failed < failed and len(found.manifest["reruns"]) == 1
        kept = ~fl.Status.failed(plain.status)
        np.testing.assert_array_equal(found.exponents[:][kept], plain.exponents[kept])
        assert swept(store).failed == found.failed  # the settings of the store are still the first ones

    def test_failed_points_again_must_give_the_same_shape(self, store):
        swept(store)
        with pytest.raises(fl.InputError, match="`exponents` has .2,. there"):
            swept(store, only="failed", k=1)

    def test_words(self, store, tmp_path):
        swept(store)
        for words, said in [
            (dict(resume=False), "is there already"),
            (dict(only="late"), "`only`"),
            (dict(keep_state=1), "`keep_state`"),
            (dict(store_=1), "`store_`"),
            (dict(history=True), "`history`"),
            (dict(max_memory="much"), "`max_memory`"),
            (dict(max_memory=1000), "too little"),
            (dict(timeout=-1.0), "`timeout`"),
            (dict(executor=3), "`executor`"),
            (dict(progress=3), "`progress`"),
        ]:
            with pytest.raises(fl.InputError, match=said):
                fl.sweep(
                    "spectrum",
                    HENON,
                    GRID,
                    store=tmp_path / "new.zarr" if "progress" in words else store,
                    **HOW,
                    **words,
                )
        with pytest.raises(fl.InputError, match="`verb`"):
            swept(tmp_path / "b.zarr", verb="plan")
        with pytest.raises(fl.InputError, match="that is there"):
            swept(tmp_path / "b.zarr", only="failed")
        with pytest.raises(FileNotFoundError, match="no sweep"):
            fl.open_sweep(tmp_path / "b.zarr")
        (tmp_path / "c.zarr").mkdir()
        (tmp_path / "c.zarr" / "thesis.tex").write_text("x")
        with pytest.raises(fl.InputError, match="not a sweep"):
            swept(tmp_path / "c.zarr")

    def test_the_second_driver_is_refused_with_the_name_of_the_first(self, store):
        swept(store)
        with lock.Lock(store):
            assert lock.holder(store)["pid"]
            with pytest.raises(OSError, match=r"process \d+ on "):
                swept(store)
        swept(store)


class TestReading:
    """Labelled data, without and with our own functions."""

    def test_xarray_opens_it(self, store, plain):
        xarray = pytest.importorskip("xarray")
        swept(store)
        data = xarray.open_zarr(store, chunks=None)
        assert data.exponents.dims == ("a", "b", "exponent") and data.attrs["units"] == "nats per step"
        np.testing.assert_array_equal(data.a, GRID["a"].ravel())
        np.testing.assert_array_equal(data.exponents, plain.exponents)
        assert "PENDING" in data.status.attrs["flag_meanings"]

    def test_netcdf(self, store, tmp_path, plain):
        xarray = pytest.importorskip("xarray")
        pytest.importorskip("netCDF4")
        swept(store).to_netcdf(tmp_path / "a.nc")
        with xarray.open_dataset(tmp_path / "a.nc") as data:
            np.testing.assert_array_equal(data.exponents, plain.exponents)

    def test_a_data_set_of_parameters(self, store):
        xarray = pytest.importorskip("xarray")
        b = np.array([[0.2, 0.25, 0.3], [0.1, 0.15, 0.2]])
        data = xarray.Dataset({"b": (("run", "a"), b)}, coords={"a": [1.0, 1.1, 1.2], "run": [3, 5]})
        found = swept(store, grid=data)
        assert found.dims == ("run", "a")
        wanted = fl.spectrum(HENON, None, dict(a=np.array([[1.0, 1.1, 1.2]]), b=b), history=False, **HOW)
        np.testing.assert_array_equal(found.exponents[:], wanted.exponents)
        assert "b" in found.to_xarray().coords and list(found.to_xarray().run) == [3, 5]
        with pytest.raises(fl.InputError, match="`grid` has a variable `c`"):
            swept(store, grid=xarray.Dataset({"c": ("run", [1.0])}))

    def test_parameters_called_like_results(self, store, tmp_path):
        xarray = pytest.importorskip("xarray")

        @fl.iterated_map(state=1, parameters=dict(status=3.9, s=0.0), x0=(0.2,))
        def unlucky(t, x, p):
            return p.status * x[0] * (1 - x[0]) + p.s

        with pytest.raises(fl.InputError, match="rename that parameter"):
            swept(store, system=unlucky, grid=fl.grid(status=[3.8, 3.9]))
        swept(store, system=unlucky, grid=fl.grid(s=[0.0, 0.01]))
        data = xarray.open_zarr(store, chunks=None)
        assert data.parameter_status == 3.9 and list(data.status) == [0, 0]

    def test_coarse_means(self, store, plain):
        found = swept(store)
        means, worst, firsts = found.coarse(lambda r: r.exponents[..., 0], 5)
        assert means.shape == (5, 4) and worst.shape == (5, 4) and list(firsts[0]) == [0, 2, 4, 6, 8]
        np.testing.assert_allclose(means[0], plain.exponents[:2, :, 0].mean(axis=0))


@pytest.mark.parametrize("kind", ["sobol", "latin_hypercube"])
def test_designs(kind):
    found = fl.design(kind, 16, seed=1, a=(1.0, 1.4), b=("log", 0.01, 1.0), x0=dict(x=(0.0, 0.2)))
    assert found.dims == ("point",) and found.shape == (16,)
    assert np.all((found["a"] >= 1.0) & (found["a"] < 1.4)) and np.all((0 <= found.x0["x"]) & (found.x0["x"] < 0.2))
    cells = np.floor(16 * np.log(found["b"] / 0.01) / np.log(100.0)).astype(int)
    assert sorted(cells) == list(range(16))  # one in each sixteenth, on every axis
    np.testing.assert_array_equal(
        found["a"], fl.design(kind, 16, seed=1, a=(1.0, 1.4), b=(0, 1), x0=dict(x=(0, 1)))["a"]
    )
    with pytest.raises(fl.InputError, match=r"`a` must be \(low, high\)"):
        fl.design(kind, 16, a=3.0)
