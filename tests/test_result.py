"""Results: units, histories, words, labelled arrays, files."""

import io
import json
import pickle
import zipfile

import made
import numpy as np
import pytest

import fastlyap as fl
from fastlyap import storage
from fastlyap.errors import InputError, MemberError
from fastlyap.result import raise_failures


def test_units_of_a_flow_convert_and_come_back():
    found = made.spectrum()
    assert str(found.unit) == "nats per unit time"
    step = found.per("step")
    assert str(step.unit) == "nats per step"
    np.testing.assert_allclose(step.exponents, found.exponents * 0.01)
    np.testing.assert_allclose(step.stderr, found.stderr * 0.01)
    np.testing.assert_allclose(step.per("time").exponents, found.exponents)
    bits = step.bits()
    assert str(bits.unit) == "bits per step"
    np.testing.assert_allclose(bits.exponents, found.exponents * 0.01 / np.log(2))
    np.testing.assert_allclose(bits.bits().exponents, bits.exponents)


def test_lyapunov_time_makes_the_largest_exponent_one():
    found = made.spectrum((4,))  # the ramp has negative ones too, which have no Lyapunov time
    own = found.per("lyapunov_time")
    assert str(own.unit) == "nats per Lyapunov time"
    np.testing.assert_allclose(own.exponents[2:, 0], 1.0)
    assert np.isnan(own.exponents[0]).all()
    np.testing.assert_allclose(own.per("time").exponents[3], found.exponents[3])
    assert np.array_equal(found.kind[2:], own.kind[2:])
    np.testing.assert_allclose(own.bits().exponents[3, 0], 1 / np.log(2))


def test_a_step_is_the_time_of_a_map():
    found = made.spectrum(system=made.MAP)
    assert str(found.unit) == "nats per step"
    assert str(found.per("time").unit) == "nats per step"
    np.testing.assert_array_equal(found.per("time").exponents, found.exponents)


def test_an_unknown_clock_is_refused():
    with pytest.raises(InputError, match="`clock` must be one of"):
        made.spectrum().per("year")


def test_derived_numbers():
    found = made.spectrum()  # 0.9, -1.1, -3.1
    assert found.kaplan_yorke == pytest.approx(1 + 0.9 / 1.1)
    assert found.entropy == pytest.approx(0.9)
    assert found.n_positive == 1
    assert np.asarray(found).shape == (3,)


def test_failed_members_have_no_derived_numbers():
    found = made.spectrum((5,), failed=[2])
    assert np.isnan(found.kaplan_yorke[2]) and np.isnan(found.entropy[2])
    assert found.n_positive[2] == -1
    assert (found.n_positive[[0, 4]] == [0, 1]).all()


def test_history_ends_at_the_exponents():
    found = made.spectrum((3,))
    times, running = found.history()
    assert times.shape == (3, 64) and running.shape == (3, 64, 3)
    np.testing.assert_allclose(times[0], np.arange(1, 65))
    np.testing.assert_allclose(running[:, -1], found.exponents)
    few = found.per("step").history(4)
    np.testing.assert_allclose(few.times[0], [16, 32, 48, 64])
    np.testing.assert_allclose(few.exponents[:, -1], found.exponents * 0.01)


def test_history_of_members_of_different_length_is_nan_beyond_their_end():
    found = made.spectrum((2,))
    found.state["n_cells"][:] = [10, 40]
    times, running = found.history()
    assert running.shape == (2, 40, 3)
    assert np.isfinite(running[0, :10]).all() and np.isnan(running[0, 10:]).all()


def test_history_says_how_to_get_it():
    with pytest.raises(InputError, match="history=True"):
        made.spectrum(state=None).history()


def test_words_fit_a_screen_and_show_units():
    for result in (made.spectrum(), made.spectrum((50, 40), failed=[(3, 4)]), made.trajectory((5,))):
        text = repr(result)
        assert len(text.splitlines()) <= 16
        assert max(map(len, text.splitlines())) <= 110
    assert "nats per unit time" in repr(made.spectrum())
    assert "ESCAPED 1" in repr(made.spectrum((5,), failed=[2]))


def test_a_message_names_member_step_and_advice():
    found = made.spectrum((5,), failed=[2])
    assert "ESCAPED at step 17" in found.message(2) and "escape_radius" in found.message((2,))
    assert "OK" in found.message(0)
    with pytest.raises(InputError, match="`index` must name one member"):
        found.message(5)


def test_failures_are_raised_in_one_error():
    raise_failures(made.spectrum((5,)))
    with pytest.raises(MemberError, match="2 of 5 members failed: member .2,. is ESCAPED"):
        raise_failures(made.spectrum((5,), failed=[2, 3]))


def test_results_are_frozen_and_pickle():
    found = made.spectrum((3,))
    with pytest.raises(AttributeError):
        found.status = None
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.exponents, found.exponents)
    assert again.system == found.system


class TestLabelledArrays:
    """`to_xarray`."""

    def test_axes_are_named_by_what_was_varied(self):
        pytest.importorskip("xarray")
        table = made.spectrum((4, 3)).to_xarray()
        assert table.exponents.dims == ("rho", "sigma", "exponent")
        np.testing.assert_allclose(table.rho, np.linspace(1, 2, 4))
        assert table.attrs["units"] == "nats per unit time"
        assert table.sel(sigma=1.5).exponents.shape == (4, 3)

    def test_parameters_that_do_not_name_an_axis_are_coordinates(self):
        pytest.importorskip("xarray")
        along = {"a": np.linspace(0, 1, 4).reshape(4, 1), "b": np.array(3.0), "w": np.ones((1, 1, 5))}
        table = made.spectrum((4, 3), parameters=along).to_xarray()
        assert table.a.dims == ("rho",) and table.b.dims == () and table.w.dims == ("w_0",)

    def test_starts_give_coordinates(self):
        pytest.importorskip("xarray")
        x0 = np.zeros((4, 3, 3))
        x0[..., 1] = np.arange(4.0)[:, None]
        table = made.spectrum((4, 3), x0=x0, dims=("y", "sigma")).to_xarray()
        np.testing.assert_allclose(table.y, np.arange(4))

    def test_trajectories(self):
        pytest.importorskip("xarray")
        table = made.trajectory((2,)).to_xarray()
        assert table.state.dims == ("rho", "time", "component")
        assert list(table.component.values) == ["x", "y", "z"]


class TestFiles:
    """`save` and `load`."""

    @pytest.mark.parametrize("make", [made.spectrum, made.trajectory])
    def test_what_is_saved_comes_back_and_saves_the_same_bytes(self, tmp_path, make):
        first, second = tmp_path / "a.npz", tmp_path / "b.npz"
        found = make((3,))
        storage.save(found, first)
        again = storage.load(first)
        storage.save(again, second)
        assert first.read_bytes() == second.read_bytes()
        assert type(again) is type(found) and again.settings == found.settings and again.dims == found.dims
        np.testing.assert_array_equal(again.parameters["rho"], found.parameters["rho"])
        assert repr(again) == repr(found)

    def test_a_converted_result_keeps_its_unit(self, tmp_path):
        storage.save(made.spectrum((4,)).per("lyapunov_time").bits(), tmp_path / "a.npz")
        assert str(storage.load(tmp_path / "a.npz").unit) == "bits per Lyapunov time"

    def test_numpy_alone_can_read_it(self, tmp_path):
        storage.save(made.spectrum((3,)), tmp_path / "a.npz")
        with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
            assert arrays["exponents"].shape == (3, 3)
            assert json.loads(arrays["header.json"].tobytes())["version"] == 1

    @pytest.mark.parametrize("keep", [0, 10, 400, -300, -1])
    def test_truncated_files_are_refused(self, tmp_path, keep):
        path = tmp_path / "a.npz"
        storage.save(made.spectrum((3,)), path)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match="truncated, damaged or foreign"):
            storage.load(path)

    def test_a_flipped_byte_is_noticed(self, tmp_path):
        path = tmp_path / "a.npz"
        storage.save(made.spectrum((300,)), path)
        data = bytearray(path.read_bytes())
        data[2000] ^= 1
        path.write_bytes(bytes(data))
        with pytest.raises(InputError):
            storage.load(path)

    def test_foreign_files_are_refused(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, exponents=np.ones(3))
        with pytest.raises(InputError, match="foreign"):
            storage.load(path)
        np.savez(path, pickled=np.array([{}], dtype=object))
        with pytest.raises(InputError):
            storage.load(path)
        with open(path, "wb") as file:
            np.save(file, np.ones(3))
        with pytest.raises(InputError):
            storage.load(path)

    def test_files_of_the_future_are_refused(self, tmp_path):
        path = tmp_path / "a.npz"
        self._with_header(path, version=2)
        with pytest.raises(InputError, match="format version 2, this one reads 1"):
            storage.load(path)
        self._with_header(path, result={"class": "Marvel", "fields": {}})
        with pytest.raises(InputError, match="holds a Marvel"):
            storage.load(path)

    @staticmethod
    def _with_header(path, **changes):
        storage.save(made.spectrum(), path)
        with np.load(path) as archive:
            arrays = dict(archive)
        header = json.loads(arrays.pop("header.json").tobytes()) | changes
        np.savez(path, **{"header.json": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}, **arrays)

    def test_a_failed_write_leaves_the_old_file_and_no_rubbish(self, tmp_path, monkeypatch):
        path = tmp_path / "a.npz"
        storage.save(made.spectrum(), path)
        before = path.read_bytes()

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="No space left"):
            storage.save(made.spectrum((3,)), path)
        assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.npz"]

    def test_only_results_under_npz_are_saved(self, tmp_path):
        with pytest.raises(InputError, match="must end in .npz"):
            storage.save(made.spectrum(), tmp_path / "a.dat")
        with pytest.raises(InputError, match="must be a result"):
            storage.save({"a": np.ones(3)}, tmp_path / "a.npz")
        with pytest.raises(InputError, match="`settings/what` cannot be saved"):
            storage.save(made.spectrum(settings={"what": object()}), tmp_path / "a.npz")

    def test_a_zip_of_something_else_is_refused(self, tmp_path):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("readme.txt", "hello")
        (tmp_path / "a.npz").write_bytes(data.getvalue())
        with pytest.raises(InputError, match="foreign"):
            storage.load(tmp_path / "a.npz")


class TestRealRuns:
    """The same on what the engine returns."""

    points = fl.grid(x0={"x": [0.0, 0.1]}, a=[1.0, 1.2, 1.4], b=0.3)

    def test_a_run_labels_its_axes(self):
        pytest.importorskip("xarray")
        found = fl.spectrum(fl.systems.henon(), parameters=self.points, steps=256, transient=64)
        assert found.dims == ("x", "a") and found.status.shape == (2, 3)
        table = found.to_xarray()
        np.testing.assert_allclose(table.x, [0.0, 0.1])
        np.testing.assert_allclose(table.a, [1.0, 1.2, 1.4])
        assert float(table.b) == 0.3

    def test_its_history_ends_where_it_ends(self):
        found = fl.spectrum(fl.systems.henon(), steps=256, transient=64, every=1)
        times, running = found.history()
        assert times[-1] == 256
        np.testing.assert_allclose(running[-1], found.exponents, rtol=1e-12)

    def test_a_loaded_run_goes_on_bit_for_bit(self, tmp_path):
        henon = fl.systems.henon()
        first = fl.spectrum(henon, parameters=self.points, steps=128, transient=64, history=True)
        fl.save(first, tmp_path / "a.npz")
        more = fl.spectrum(henon, resume=fl.load(tmp_path / "a.npz"), steps=128)
        whole = fl.spectrum(henon, parameters=self.points, steps=256, transient=64)
        np.testing.assert_array_equal(more.exponents, whole.exponents)

    def test_orbits(self, tmp_path):
        found = fl.trajectory(fl.systems.henon(), parameters={"a": [1.0, 1.4]}, steps=20)
        fl.save(found, tmp_path / "a.npz")
        np.testing.assert_array_equal(fl.load(tmp_path / "a.npz").state, found.state)
        assert found.dims == ("a",) and "20 times from 1 to 20" in repr(found)
