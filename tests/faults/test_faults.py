"""What may go wrong in a long sweep, and that nothing is lost or falsified by it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import drill
import henon_plane
import numpy as np
import pytest

import fastlyap as fl
from fastlyap.sweeps import crew as crews
from fastlyap.sweeps import store as stores
from fastlyap.sweeps.job import Job

pytest.importorskip("zarr")
pytestmark = pytest.mark.compiled

HENON = fl.systems.henon()
GRID = fl.grid(a=np.linspace(1.0, 1.3, 24))
HOW = dict(steps=200, transient=20)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "sweep of b\N{LATIN SMALL LETTER E WITH ACUTE}zier, 2.zarr"


@pytest.fixture(scope="module")
def wanted():
    return fl.spectrum(HENON, None, GRID, history=False, **HOW).exponents


def swept(store, **options):
    return fl.sweep("spectrum", HENON, GRID, store=store, **{"chunk": 8, "progress": False, **HOW, **options})


class TestKills:
    """SIGKILL; thirty of each in `drill.py`."""

    def test_of_the_driver(self, store):
        chance = random.Random(1)
        assert any([drill.kill_driver(store, chance) for _ in range(2)])
        henon_plane.run(store)
        drill.same(store, drill.truth())

    @pytest.mark.slow
    def test_of_a_worker(self, store):
        assert drill.kill_worker(store, random.Random(2))
        drill.same(store, drill.truth())

    @pytest.mark.slow
    @pytest.mark.parametrize(("fate", "timeout"), [(2.0, None), (3.0, 1.0)], ids=["dies", "hangs"])
    def test_of_every_worker_that_meets_one_member(self, store, monkeypatch, fate, timeout):
        import deadly

        monkeypatch.setattr(crews, "GRACE", 25.0)
        fates = np.zeros(8)
        fates[5] = fate
        grid = dict(r=np.linspace(3.6, 3.9, 8), fate=fates)
        how = dict(chunk=2, executor=henon_plane.pool, progress=False, timeout=timeout, **HOW)
        found = fl.sweep("maximal", deadly.system(), grid, store=store, **how)
        assert list(found.status) == [0, 0, 0, 0, 0, 6, 0, 0]


class Fragile:
    """An executor that breaks as a pool does when it meets one value of the parameter a."""

    def __init__(self, deadly, kind=BrokenExecutor):
        self.deadly, self.kind, self.pool = deadly, kind, ThreadPoolExecutor(2)
        self._max_workers = 2

    def submit(self, fn, task):
        if not any(self.deadly in piece.job.request.members.p for piece in task.pieces):
            return self.pool.submit(fn, task)
        future = Future()
        future.set_exception(self.kind("a process was terminated abruptly"))
        return future

    def shutdown(self, **words):
        self.pool.shutdown(**words)


class Silent(Fragile):
    """An executor that never answers when it meets one value of the parameter a."""

    def submit(self, fn, task):
        met = any(self.deadly in piece.job.request.members.p for piece in task.pieces)
        return Future() if met else self.pool.submit(fn, task)


class KilledWorker(Exception):
    """As a scheduler's."""


class TestWorkers:
    """Engines beside this process."""

    def test_threads_compute_the_same(self, store, wanted):
        with ThreadPoolExecutor(2) as pool:
            np.testing.assert_array_equal(swept(store, executor=pool).exponents[:], wanted)

    def test_failed_points_again_by_workers(self, store):
        grid = fl.grid(a=np.linspace(1.3, 1.6, 12))
        with ThreadPoolExecutor(2) as pool:
            how = dict(store=store, chunk=5, executor=pool, progress=False, **HOW)
            failed = fl.sweep("spectrum", HENON, grid, **how).failed
            found = fl.sweep("spectrum", HENON, grid, only="failed", **{**how, "steps": 5, "transient": 0})
        assert found.failed < failed and found.done == 12

    def test_a_worker_of_another_kind(self, store, wanted, monkeypatch):
        monkeypatch.setattr(Job, "program_here", lambda self: "lanes3-of-another-machine")
        with ThreadPoolExecutor(2) as pool:
            with pytest.raises(fl.InputError, match="a worker that runs the program lanes3"):
                swept(store, executor=pool)
            np.testing.assert_array_equal(swept(store, executor=pool, mixed=True).exponents[:], wanted)

    @pytest.mark.parametrize("kind", [BrokenExecutor, KilledWorker, MemoryError])
    @pytest.mark.parametrize("place", [0, 13])
    def test_a_member_that_ends_its_worker_is_found(self, store, wanted, kind, place):
        found = swept(store, executor=lambda: Fragile(float(GRID["a"][place]), kind))
        assert np.flatnonzero(found.status == fl.Status.FAILED).tolist() == [place]
        others = np.arange(24) != place
        np.testing.assert_array_equal(found.exponents[:][others], wanted[others])
        assert np.isnan(found.exponents[place]).all() and "worker died" in found.message(place)

    def test_a_pool_that_cannot_be_made_again(self, store, wanted):
        with pytest.raises(ConnectionError, match="pass a function that makes it"):
            swept(store, executor=Fragile(float(GRID["a"][20])), chunk=2)
        assert 0 < fl.open_sweep(store).done < 24
        np.testing.assert_array_equal(swept(store).exponents[:], wanted)

    def test_a_task_that_never_comes_back(self, store, wanted, monkeypatch):
        monkeypatch.setattr(crews, "GRACE", 0.2)
        found = swept(store, executor=Silent(float(GRID["a"][20])), timeout=0.5)
        assert (found.status == fl.Status.PENDING).tolist() == [False] * 16 + [True] * 8
        np.testing.assert_array_equal(swept(store).exponents[:], wanted)

    def test_a_member_that_never_comes_back_is_found(self, store, wanted, monkeypatch):
        monkeypatch.setattr(crews, "GRACE", 0.4)
        found = swept(store, executor=lambda: Silent(float(GRID["a"][20])), timeout=0.1)
        assert np.flatnonzero(found.status).tolist() == [20] and found.failed == 1
        np.testing.assert_array_equal(np.delete(found.exponents[:], 20, 0), np.delete(wanted, 20, 0))

    def test_the_scheduler_goes_away(self, store):
        class Gone(Fragile):
            def submit(self, fn, task):
                future = super().submit(fn, task)
                if fl.open_sweep(store).done:
                    future = Future()
                    future.cancel()
                    future.set_running_or_notify_cancel()
                return future

        with pytest.raises(ConnectionError, match="scheduler went away"):
            swept(store, executor=Gone(-1.0), chunk=2)
        assert fl.open_sweep(store).done >= 2


class TestFiles:
    """Damage on disk, and disks that take no more."""

    @pytest.mark.parametrize("hurt", ["flip", "cut", "lose", "mix"])
    @pytest.mark.parametrize("name", ["exponents", "status"])
    def test_a_damaged_chunk_is_found_and_computed_again(self, store, wanted, hurt, name):
        swept(store)
        path = store / name / "c" / ("1/0" if name == "exponents" else "1")
        data = bytearray(path.read_bytes())
        if hurt == "lose":
            path.unlink()
        elif hurt == "mix":
            path.write_bytes(path.with_name("0").read_bytes() if name == "status" else _other(path).read_bytes())
        else:
            data[len(data) // 2] ^= 16
            path.write_bytes(bytes(data[:-3] if hurt == "cut" else data))
        if name == "exponents":
            with pytest.warns(UserWarning, match="1 chunk.* damaged and computed again: chunk 1"):
                found = swept(store)
        else:
            found = swept(store)
        np.testing.assert_array_equal(found.exponents[:], wanted)
        assert found.done == 24

    def test_a_full_disk(self, store, monkeypatch, wanted):
        write, calls = stores.Store.write, []

        def full(self, *given):
            calls.append(1)
            if len(calls) == 2:
                raise OSError(28, "No space left on device")
            write(self, *given)

        monkeypatch.setattr(stores.Store, "write", full)
        with pytest.raises(OSError, match="No space") as failure:
            swept(store)
        assert "resume" in failure.value.__notes__[0] and "disk is full" in failure.value.__notes__[0]
        assert fl.open_sweep(store).done == 8
        np.testing.assert_array_equal(swept(store).exponents[:], wanted)

    def test_folders_that_must_not_be_written(self, wanted):
        folder = Path(tempfile.mkdtemp())
        swept(folder / "a.zarr")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        root = os.geteuid() == 0
        if root:  # who may write everywhere
            os.seteuid(65534)
        try:
            np.testing.assert_array_equal(fl.open_sweep(folder / "a.zarr").exponents[:], wanted)
            for name in ("a.zarr", "b.zarr"):
                with pytest.raises(PermissionError):
                    swept(folder / name)
        finally:
            if root:
                os.seteuid(0)
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755)
            shutil.rmtree(folder)

    def test_a_making_that_was_cut_off_is_begun_anew(self, store, wanted, monkeypatch):
        monkeypatch.setattr(stores.Store, "consolidate", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            swept(store)
        monkeypatch.undo()
        np.testing.assert_array_equal(swept(store).exponents[:], wanted)

    def test_no_pickle_and_no_code_in_any_file(self, store):
        swept(store)
        for path in store.rglob("*"):
            assert path.is_dir() or path.suffix == ".json" or "c" in path.parts
            assert path.is_dir() or not path.read_bytes().startswith(b"\x80")


def _other(path):
    return path.parent.parent / "2" / "0"


class TestCtrlC:
    """Once: what is finished is kept, and how to go on is said. Twice: at once."""

    def test_once(self, store, wanted):
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.perf_counter()
        with pytest.raises(fl.Interrupted, match="go on|Go on") as stop:
            swept(store, steps=200_000_000, chunk=8)
        assert time.perf_counter() - start < 20
        assert stop.value.partial.done < 24 and "resume" in str(stop.value)

    def test_among_workers(self, store):
        class Stopped(Fragile):
            def submit(self, fn, task):
                if sum(piece.chunk for piece in task.pieces) >= 4:
                    os.kill(os.getpid(), signal.SIGINT)
                return super().submit(fn, task)

        with pytest.raises(fl.Interrupted) as stop:
            swept(store, executor=lambda: Stopped(-1.0), chunk=2)
        assert 0 < stop.value.partial.done < 24
        assert swept(store).done == 24

    @pytest.mark.slow
    @pytest.mark.parametrize("words", ["", ", ['workers']"])
    def test_twice(self, store, words):
        code = f"import henon_plane; henon_plane.HOW['steps'] = 4 * 10**6; henon_plane.run({str(store)!r}{words})"
        if words:  # what starts processes must be a file
            script = store.parent / "script.py"
            script.write_text(f"if __name__ == '__main__':\n    {code}")
        command = [script] if words else ["-c", code]
        process = subprocess.Popen(
            [sys.executable, *command], cwd=Path(__file__).parent, stderr=subprocess.PIPE, start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert drill.begun(store, process)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, said = process.communicate(timeout=20)
        assert process.returncode != 0 and b"Go on with the same call" in said
