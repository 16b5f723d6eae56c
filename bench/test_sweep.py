"""Sweeps into a store: what store and engine cost beside the computation, files, resuming, and two Dask workers."""

import os
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
    distributed, psutil = pytest.importorskip("distributed"), pytest.importorskip("psutil")
    if len(environment.CORES) < 2:
        pytest.skip("needs two cores")
    count, steps = (16 * PIECE, 30_000) if sizes.scale == 1.0 else (PIECE, 5_000)
    environment.use_cores(2)
    spent = {"workers": [], "threads": []}
    cpu = {"workers": [], "threads": []}
    try:
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            everyone = [psutil.Process(), *map(psutil.Process, client.run(os.getpid).values())]
            engines = {"workers": dict(executor=client.get_executor()), "threads": dict(threads=2)}
            for name in ("workers", "threads") * (1 + min(3, sizes.rounds)):
                warm = not spent["threads"]  # the first pair compiles and is not counted
                start, before = time.perf_counter(), _cpu(everyone)
                size = (PIECE // 4, 1000) if warm else (count, steps)
                swept(tmp_path / "a.zarr", *size, chunk=size[0] // 16, **engines[name])
                spent[name].append(time.perf_counter() - start)
                cpu[name].append(_cpu(everyone) - before)
    finally:
        environment.use_cores(1)
    note = f"{count:,} points of {steps:,} steps"
    for word, times, aim in (("rate", spent, ">= 0.9"), ("processor time", cpu, "")):
        rates = np.array(times["threads"][1:]) / np.array(times["workers"][1:])
        book.add(
            SECTION, f"two Dask workers, {word} against two threads", float(np.median(rates)), unit="x",
            low=rates.min(), high=rates.max(), aim=aim, note=note,
        )  # fmt: skip


def _cpu(processes):
    """Seconds of all their cores so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)
