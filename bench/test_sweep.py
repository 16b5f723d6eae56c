"""Sweeps into a store: what store and engine cost beside the computation, files, resuming, and two Dask workers."""

import shutil
import time

import numpy as np
import pytest

import fastlyap as fl
from bench import environment
from bench.timing import Contender

SECTION = "S. Sweeps into a store, Henon"
HENON = fl.systems.henon()
TRANSIENT = 100
PIECE = 16_384  # points of a chunk of a large sweep

pytest.importorskip("zarr")
pytestmark = pytest.mark.benchmark(timer=time.process_time, group="sweep")


def points(count):
    """A line of bounded members."""
    return fl.grid(a=np.linspace(1.0, 1.3, count))


def swept(store, count, steps, **options):
    shutil.rmtree(store, ignore_errors=True)
    how = {"chunk": PIECE, "progress": False, "transient": TRANSIENT, **options}
    return fl.sweep("spectrum", HENON, points(count), store=store, steps=steps, **how)


def test_cost_beside_the_computation(compare, book, sizes, tmp_path):
    full = sizes.scale == 1.0
    count, steps = (4 * PIECE, 100_000) if full else (PIECE, 5_000)
    how = dict(steps=steps, transient=TRANSIENT, threads=1, history=False, progress=False)
    work = float(count * (steps + TRANSIENT))
    ours = Contender("sweep", lambda: swept(tmp_path / "a.zarr", count, steps, threads=1), work)
    plain = Contender("spectrum", lambda: fl.spectrum(HENON, None, points(count), **how), work)
    found = compare(ours, plain)
    note = f"{count:,} points of {steps:,} steps, one core; {found.rate('sweep') / 1e6:.0f} M member-steps/s"
    book.ratio(SECTION, "sweep, against spectrum", found.ratio("sweep", "spectrum"), aim="<= 1.03", note=note)


def test_files_and_resuming(book, sizes, tmp_path):
    count = 1_000_000 if sizes.scale == 1.0 else 100_000
    store = tmp_path / "a.zarr"
    swept(store, count, 300)
    files = [path for path in store.rglob("*") if path.is_file()]
    start = time.perf_counter()
    swept_again = fl.sweep(
        "spectrum", HENON, points(count), store=store, steps=300, transient=TRANSIENT, chunk=PIECE, progress=False
    )
    spent = time.perf_counter() - start
    assert swept_again.done == count
    size = sum(path.stat().st_size for path in files) / 1e6
    book.add(SECTION, "files", len(files), aim="< 1000", note=f"{count:,} points, {size:.0f} MB")
    book.add(
        SECTION, "resume, nothing to do", spent, unit="s", aim="< 2", note="every chunk read and its digest checked"
    )


def test_two_dask_workers(book, sizes, tmp_path):
    distributed = pytest.importorskip("distributed")
    full = sizes.scale == 1.0
    if len(environment.CORES) < 2:
        pytest.skip("needs two cores")
    count, steps = (16 * PIECE, 20_000) if full else (PIECE, 5_000)
    environment.use_cores(2)
    spent = {"workers": [], "threads": []}
    try:
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            for name in ("workers", "threads") * (1 + sizes.rounds):
                how = dict(executor=client.get_executor()) if name == "workers" else dict(threads=2)
                start = time.perf_counter()
                swept(tmp_path / "a.zarr", count, steps, chunk=count // 32, **how)
                spent[name].append(time.perf_counter() - start)
    finally:
        environment.use_cores(1)
    rates = np.array(spent["threads"][1:]) / np.array(spent["workers"][1:])
    book.add(
        SECTION, "two Dask workers, rate against two threads", float(np.median(rates)), unit="x", low=rates.min(),
        high=rates.max(), aim=">= 0.9", note=f"{count:,} points of {steps:,} steps",
    )  # fmt: skip
