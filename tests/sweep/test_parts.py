"""The parts of a sweep by themselves: boxes, chunk sizes, lines of progress, locks."""

import math
import os
import signal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastlyap as fl
from fastlyap.progress import Interrupt
from fastlyap.sweeps import extent
from fastlyap.sweeps.job import job_of
from fastlyap.sweeps.report import Report, duration
from fastlyap.sweeps.tiles import cut


@given(shape=st.lists(st.integers(1, 9), max_size=4).map(tuple), most=st.integers(1, 100))
def test_boxes_are_runs_of_the_flat_batch_and_cover_it_once(shape, most):
    tiles = cut(shape, most)
    flat = np.arange(math.prod(shape)).reshape(shape)
    seen = []
    for number in range(len(tiles)):
        run = tiles.run(number)
        np.testing.assert_array_equal(flat[tiles.slices(number)].ravel(), np.arange(run.start, run.stop))
        assert tiles.points(number) <= max(1, most)
        seen += range(run.start, run.stop)
    assert seen == list(range(flat.size))


@pytest.mark.compiled
def test_a_million_points_are_few_files():
    grid = fl.grid(a=np.linspace(1.0, 1.4, 1000), b=np.linspace(0.1, 0.3, 1000))
    job = job_of("spectrum", fl.systems.henon(), grid, dict(steps=100_000))
    tiles = cut(job.shape, extent.chunk_of(job, "auto", None, 1))
    assert 20 <= len(tiles) <= 90  # ten arrays of them, and a line in the ledger each


def test_memory_decides_how_large_a_chunk_may_be():
    grid = fl.grid(rho=np.linspace(20.0, 30.0, 4000))
    job = job_of("trajectory", fl.systems.lorenz63(), grid, dict(steps=1000))
    usual, small = (extent.chunk_of(job, 4000, memory, 1) for memory in (None, "20 MB"))
    assert usual == 4000 and 1 <= small * 3 * 1000 * 8 * 3 < 20e6
    assert extent.memory("4 GiB") == 2**32 and extent.memory("1.5kB") == 1500


def test_lines_of_progress(capsys, monkeypatch):
    monkeypatch.setattr("fastlyap.sweeps.report.INTERVAL", 0.0)
    report = Report(True, 100, 20)
    report.working(10.0)
    report.add(30, 2, 5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("fastlyap: 30.0 %") and "2 failed, worst ESCAPED" in lines[1]
    Report(False, 10).add(10, 0, 0)
    assert not capsys.readouterr().err
    shares = []
    Report(shares.append, 10, 5).add(5, 0, 0)
    assert shares == [1.0]
    assert [duration(s) for s in (3, 600, 10_000, 10**6)] == ["3 s", "10 min", "2.8 h", "11.6 days"]


def test_ctrl_c_within_a_chunk_is_heard_by_the_sweep():
    with Interrupt() as outer:
        with Interrupt() as inner:
            os.kill(os.getpid(), signal.SIGINT)
            assert inner.heard and outer.heard
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_bar(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    report = Report(True, 100)
    report.add(30, 1, 4)
    report.say("a remark")
    report.close()
    assert "1 failed, worst NOT_FINITE" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["1 parsec", "GB", "-1"])
def test_wrong_memory(text):
    with pytest.raises(fl.InputError, match="`max_memory`"):
        extent.memory(text)
