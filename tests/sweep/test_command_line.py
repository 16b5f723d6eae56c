"""`fastlyap sweep --out X.zarr`, `resume` and `info`: what they say, and how they end."""

import errno
import os
import signal
import threading

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import cli
from fastlyap.sweeps import store as stores

pytest.importorskip("zarr")
pytestmark = pytest.mark.compiled

SWEEP = ["sweep", "henon", "--vary", "a=1:1.3:12", "--vary", "x=0:0.1:3", "--steps", "200", "--transient", "20"]


@pytest.fixture
def out(tmp_path):
    return str(tmp_path / "a.zarr")


def begin(out, *more):
    return cli.main([*SWEEP, "--out", out, "--chunk", "8", *more])


def test_sweep_info_and_a_picture(out, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert begin(out, "--plot", str(tmp_path / "a.png")) == 0
    text = capsys.readouterr().out
    assert "36 points" in text and "OK 36" in text and f"written: {out}" in text
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["info", out]) == 0
    assert "(100.0 %)" in capsys.readouterr().out
    wanted = fl.spectrum(
        fl.systems.henon(), None, fl.grid(x0=dict(x=[0, 0.05, 0.1]), a=np.linspace(1, 1.3, 12)), steps=200, transient=20
    )
    found = fl.open_sweep(out).result()
    order = [found.dims.index(name) for name in wanted.dims]
    np.testing.assert_array_equal(np.moveaxis(found.exponents, order, [0, 1]), wanted.exponents)


def test_resume_after_a_full_disk(out, capsys, monkeypatch):
    write, calls = stores.Store.write, []

    def full(self, *given):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *given)

    monkeypatch.setattr(stores.Store, "write", full)
    assert begin(out) == 74
    assert f"fastlyap resume {out}" in capsys.readouterr().err
    monkeypatch.undo()
    assert cli.main(["info", out]) == 0
    assert f"fastlyap resume {out}" in capsys.readouterr().out
    assert cli.main(["resume", out]) == 0
    assert "(100.0 %)" in capsys.readouterr().out
    assert cli.main(["resume", out, "--failed"]) == 0


def test_failed_members_are_exit_code_3(out):
    words = ["sweep", "henon", "--vary", "a=1.3:3:6", "--steps", "200", "--out", out]
    assert cli.main(words) == 3
    assert cli.main(["resume", out]) == 3


def test_ctrl_c_is_exit_code_130_and_says_how_to_go_on(out, capsys):
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    assert begin(out, "--steps", "1000000000") == 130
    assert f"fastlyap resume {out}" in capsys.readouterr().err


def test_what_cannot_be_resumed(out, tmp_path, capsys):
    assert cli.main(["resume", out]) == 74
    assert cli.main(["resume", str(tmp_path)]) == 74

    @fl.iterated_map(state=1, parameters=dict(a=1.9), x0=(0.2,), name="mine")
    def tent(t, x, p):
        return p.a * fl.math.minimum(x[0], 1 - x[0])

    fl.sweep("spectrum", tent, dict(a=[1.5, 1.6]), store=out, steps=10, transient=0, backend="reference")
    assert cli.main(["resume", out]) == 2
    assert "same Python call" in capsys.readouterr().err
    assert begin(out, "--executor", "ray:x") == 2


class TestVerbs:
    """`--verb`."""

    def test_a_gradient_is_begun_and_resumed(self, out, capsys):
        words = ["--verb", "gradient", "--objective", "x", "--wrt", "a", "--method", "FiniteDifference(step=0.01)"]
        assert begin(out, *words, "--members", "2", "--transient", "10") == 0
        found = fl.open_sweep(out)
        assert list(found.gradient) == ["a"] and found.manifest["settings"]["method"]["step"] == 0.01
        assert cli.main(["resume", out]) == 0
        assert "gradient of henon" in capsys.readouterr().out

    def test_other_verbs(self, out, tmp_path):
        assert begin(out, "--verb", "finite_time", "--k", "1") == 0
        assert fl.open_sweep(out).right.shape[2:] == (1, 2)
        assert begin(str(tmp_path / "b.zarr"), "--verb", "maximal") == 0

    def test_wrong_words(self, out, tmp_path, capsys):
        rules = tmp_path / "rules.py"
        rules.write_text("seven = 7")
        for words, said in [
            (["--verb", "plan"], "invalid choice"),
            (["--verb", "gradient"], "`objective` is missing"),
            (["--verb", "gradient", "--objective", "q"], "`--objective` must be a component, x, y"),
            (["--verb", "gradient", "--objective", f"{rules}:eight"], "does not define"),
            (["--verb", "gradient", "--objective", f"{rules}:seven"], "`fn` must be a function"),
            (["--verb", "gradient", "--objective", "x", "--method", "Guess"], "`--method`"),
            (["--verb", "gradient", "--objective", "x", "--method", "Backprop(page=1)"], "cannot be made"),
            (["--verb", "gali", "--plot", "a.png"], "`--plot` draws exponents"),
            (["--verb", "spectrum", "--kind", "backward"], "`kind` is not an argument"),
        ]:
            assert begin(out, *words) == 2, words
            assert said in capsys.readouterr().err
        assert cli.main([*SWEEP, "--out", str(tmp_path / "a.npz"), "--verb", "gali"]) == 2
