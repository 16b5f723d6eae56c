"""The cluster engine: a real LocalCluster of worker processes."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import fastlyap as fl

pytest.importorskip("zarr")
distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.compiled,
    # of the cluster's own sockets and event loops, when workers are killed
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
]

HENON = fl.systems.henon()
GRID = fl.grid(a=np.linspace(1.0, 1.3, 64))
HOW = dict(steps=200, transient=20, chunk=4, progress=False)


@pytest.fixture(scope="module")
def client():
    quick = {"distributed.scheduler.allowed-failures": 0, "distributed.comm.timeouts.connect": "5s"}
    import dask

    with (
        dask.config.set(quick),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def wanted():
    return fl.spectrum(HENON, None, GRID, history=False, steps=200, transient=20).exponents


def test_workers_write_the_same_numbers(client, tmp_path, wanted):
    found = fl.sweep("spectrum", HENON, GRID, store=tmp_path / "a.zarr", executor=client.get_executor(), **HOW)
    np.testing.assert_array_equal(found.exponents[:], wanted)


def test_a_worker_killed_on_the_way(client, tmp_path, wanted):
    pid = client.run(os.getpid)
    timer = threading.Timer(0.3, os.kill, (next(iter(pid.values())), signal.SIGKILL))
    timer.start()
    how = {**HOW, "steps": 400_000}
    found = fl.sweep("spectrum", HENON, GRID, store=tmp_path / "a.zarr", executor=client.get_executor(), **how)
    assert found.done == 64 and found.failed == 0
    short = fl.sweep("spectrum", HENON, GRID, store=tmp_path / "b.zarr", executor=client.get_executor(), **HOW)
    np.testing.assert_array_equal(short.exponents[:], wanted)


@pytest.mark.slow
def test_a_scheduler_that_goes_away(tmp_path):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        client = distributed.Client(cluster)
        timer = threading.Timer(2.0, cluster.close)
        timer.start()
        how = {**HOW, "steps": 20_000_000}
        with pytest.raises(ConnectionError):
            fl.sweep("spectrum", HENON, GRID, store=tmp_path / "a.zarr", executor=client.get_executor(), **how)
        timer.join()
        client.close()
    time.sleep(0.1)
    assert fl.open_sweep(tmp_path / "a.zarr").done < 64
