"""Where sweeps are kept: Zarr stores of any kind, object stores behind fsspec, S3; who may write there at a time."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.sweeps import devices, lease
from fastlyap.sweeps import store as stores

zarr = pytest.importorskip("zarr")

HENON = fl.systems.henon()
GRID = fl.grid(a=np.linspace(1.0, 1.3, 12))
HOW = dict(steps=100, transient=20, chunk=5, progress=False)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lease, "SETTLING", 0.01)


@pytest.fixture(scope="module")
def wanted():
    return fl.spectrum(HENON, None, GRID, history=False, steps=100, transient=20).exponents


def swept(store, **options):
    return fl.sweep("spectrum", HENON, GRID, store=store, **{**HOW, **options})


def cut_off(store):
    """A sweep that ends after its first chunk."""

    def stop(share):
        if share > 0.5:  # within the second one
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        swept(store, progress=stop)


def check(store, wanted):
    """Begun, cut off, opened, gone on with."""
    cut_off(store)
    assert fl.open_sweep(store).done == 5
    found = swept(store)
    np.testing.assert_array_equal(found.exponents[:], wanted)
    np.testing.assert_array_equal(fl.open_sweep(store).result().exponents, wanted)
    assert "at work" not in repr(found) and "(100.0 %)" in repr(found)
    with pytest.raises(fl.InputError, match="steps: 100 in the store"):
        swept(store, steps=101)


@pytest.mark.compiled
class TestStores:
    """Any store of Zarr."""

    def test_memory(self, wanted):
        check(zarr.storage.MemoryStore(), wanted)

    @pytest.mark.parametrize("given", ["address", "store"])
    def test_a_file_system_behind_fsspec(self, given, wanted):
        pytest.importorskip("fsspec")
        address = f"memory://sweeps/{given}.zarr"
        check(address if given == "address" else zarr.storage.FsspecStore.from_url(address), wanted)

    def test_a_flipped_byte_behind_fsspec(self, wanted):
        fsspec = pytest.importorskip("fsspec")
        swept("memory://sweeps/hurt.zarr")
        name, files = "/sweeps/hurt.zarr/exponents/c/1/0", fsspec.filesystem("memory")
        data = bytearray(files.cat(name))
        data[len(data) // 2] ^= 4
        files.pipe(name, bytes(data))
        with pytest.warns(UserWarning, match="chunk 1"):
            np.testing.assert_array_equal(swept("memory://sweeps/hurt.zarr").exponents[:], wanted)

    def test_a_network_that_fails_is_a_storage_error(self, monkeypatch):
        class EndpointConnectionError(Exception):
            __module__ = "botocore.exceptions"

        def fail(self, *given):
            raise EndpointConnectionError("no route")

        monkeypatch.setattr(stores.Store, "write", fail)
        with pytest.raises(OSError, match="cannot be reached .no route.*same call"):
            swept(zarr.storage.MemoryStore())

    def test_foreign_objects_are_left_alone(self, wanted):
        fsspec = pytest.importorskip("fsspec")
        fsspec.filesystem("memory").pipe("/sweeps/mixed.zarr/thesis.tex", b"x")
        np.testing.assert_array_equal(swept("memory://sweeps/mixed.zarr").exponents[:], wanted)
        assert fsspec.filesystem("memory").cat("/sweeps/mixed.zarr/thesis.tex") == b"x"

    def test_a_packed_store_can_be_read(self, tmp_path, wanted):
        import zipfile

        folder = tmp_path / "a.zarr"
        swept(folder)
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
            for path in sorted(folder.rglob("*")):
                packed.write(path, path.relative_to(folder))
        with zarr.storage.ZipStore(tmp_path / "a.zip", mode="r") as store:
            np.testing.assert_array_equal(fl.open_sweep(store).exponents[:], wanted)

    def test_results_travel_where_workers_see_another_store(self, wanted, tmp_path, monkeypatch):
        from fastlyap.sweeps import work

        monkeypatch.setattr(work, "_seen_from_here", lambda task: None)
        with ThreadPoolExecutor(2) as pool:
            np.testing.assert_array_equal(swept(tmp_path / "a.zarr", executor=pool).exponents[:], wanted)

    @pytest.mark.slow
    def test_s3(self, wanted, s3):
        check(zarr.storage.FsspecStore.from_url("s3://sweeps/plane.zarr", storage_options=s3), wanted)
        other = zarr.storage.FsspecStore.from_url("s3://sweeps/others.zarr", storage_options=s3)
        with ThreadPoolExecutor(2) as pool:
            np.testing.assert_array_equal(swept(other, executor=pool).exponents[:], wanted)


@pytest.fixture
def s3(monkeypatch):
    """Options of an S3 file system with a bucket "sweeps"; its server runs in a process of its own."""
    s3fs = pytest.importorskip("s3fs")
    if not all(importlib.util.find_spec(name) for name in ("moto", "flask", "flask_cors")):
        pytest.skip("needs moto[server]")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for-tests-only")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        options = {"endpoint_url": f"http://127.0.0.1:{port}", "client_kwargs": {"region_name": "eu-west-1"}}
        s3fs.S3FileSystem(**options).mkdir("sweeps")
        yield options
    finally:
        server.terminate()
        server.wait()


class TestRefusals:
    """Stores that no sweep can be kept in."""

    def test_packed(self, tmp_path):
        with pytest.raises(fl.InputError, match="pack"):
            swept(zarr.storage.ZipStore(tmp_path / "a.zip", mode="w"))

    def test_read_only(self):
        with pytest.raises(fl.InputError, match="reading only"):
            swept(zarr.storage.MemoryStore(read_only=True))

    def test_no_store(self):
        with pytest.raises(fl.InputError, match="`store` must be a path"):
            swept(3)


@pytest.mark.compiled
class TestLease:
    """One driver where there are no locks."""

    @pytest.fixture
    def store(self):
        found = zarr.storage.MemoryStore()
        swept(found)
        return found

    def held(self, store, **changes):
        mark = {"host": socket.gethostname(), "pid": os.getpid(), "token": "x", "since": "noon", "renewed": time.time()}
        zarr.open_group(store).require_group(lease.GROUP).attrs.update({**mark, **changes})

    def test_the_second_driver_is_refused_with_the_name_of_the_first(self, store):
        self.held(store)
        with pytest.raises(OSError, match=rf"process {os.getpid()} on .* since noon"):
            swept(store)
        assert "at work   process" in repr(fl.open_sweep(store))

    @pytest.mark.parametrize("change", [{"pid": 0}, {"pid": 2**22 + 1}, {"host": "elsewhere", "renewed": 0.0}])
    def test_a_driver_that_is_gone_is_not_waited_for(self, store, change):
        self.held(store, **change)
        assert swept(store).done == 12

    def test_two_at_the_same_moment(self, store):
        group = zarr.open_group(store)
        first = lease.Lease(group, "here")
        first._refuse = lambda who: who and (_ for _ in ()).throw(lease.Held(who["token"]))
        first._write = lambda: self.held(store, token="the other")
        with pytest.raises(lease.Held, match="the other"):
            first.__enter__()

    def test_it_is_renewed(self, store, monkeypatch):
        monkeypatch.setattr(lease, "RENEWED", 0.02)
        group = zarr.open_group(store)
        with lease.Lease(group, "here"):
            before = lease.holder(group)["renewed"]
            deadline = time.monotonic() + 5
            while lease.holder(group)["renewed"] == before:
                assert time.monotonic() < deadline
        assert lease.holder(group) is None


class TestDevices:
    """Which GPU a worker takes; a worker is a thread or a process."""

    def test_workers_share_them_out(self, tmp_path):
        places = [devices.Place(tmp_path / "workers") for _ in range(5)]
        assert [place.number for place in places] == [0, 1, 2, 3, 4]
        del places[1]  # that worker has ended
        assert devices.Place(tmp_path / "workers").number == 1

    def test_each_worker_keeps_its_own(self, tmp_path, monkeypatch):
        import threading
        from contextlib import nullcontext

        cards = [nullcontext(number) for number in range(3)]
        monkeypatch.setattr(devices, "visible", lambda: cards)
        monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
        taken, barrier = [], threading.Barrier(6)

        def work():
            with devices.own("cuda") as first, devices.own("cuda") as again:
                barrier.wait()
                taken.append((first, again))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == [(0, 0), (0, 0), (1, 1), (1, 1), (2, 2), (2, 2)]

    def test_one_card_or_none_needs_no_choice(self, monkeypatch):
        monkeypatch.setattr(devices, "visible", lambda: ["the only one"])
        with devices.own("cuda") as nothing, devices.own("cpu") as neither:
            assert nothing is None and neither is None
