"""The command line: words become arguments, results become files, and every ending has its exit code."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import made
import numpy as np
import pytest

from fastlyap import cli, lyapunov, speedcard, storage
from fastlyap.cli import arguments
from fastlyap.errors import InputError, Interrupted

RULES = """
import fastlyap as fl

@fl.iterated_map(state=1, parameters=dict(a=1.9), x0=(0.2,))
def tent(t, x, p):
    return p.a * fl.math.minimum(x[0], 1 - x[0])

def family(n=2):
    return tent

not_a_system = 3
"""


@pytest.fixture
def engine(monkeypatch):
    """Replaces the engine: notes the call and returns `engine.result` or raises it."""

    class Engine:
        result = None

        def __call__(self, system, x0=None, parameters=None, **options):
            self.system, self.x0, self.parameters, self.options = system, x0, parameters, options
            if isinstance(self.result, BaseException):
                raise self.result
            shape = tuple(getattr(parameters, "shape", ()))
            return made.spectrum(shape) if self.result is None else self.result

    found = Engine()
    monkeypatch.setattr(lyapunov, "spectrum", found)
    return found


class TestWords:
    """How words become values."""

    def test_assignments(self):
        assert arguments.assignments(["a=1", "w=1,2.5"]) == {"a": 1.0, "w": [1.0, 2.5]}
        for wrong in ("a", "=1", "a=b", "a=1,,2"):
            with pytest.raises(InputError, match="`--param"):
                arguments.assignments([wrong])

    def test_axes_hold_both_ends(self):
        name, values = arguments.axis("rho=0:1:5")
        assert name == "rho"
        np.testing.assert_allclose(values, [0, 0.25, 0.5, 0.75, 1])
        np.testing.assert_allclose(arguments.axis("rho=log:0.1:10:3")[1], [0.1, 1, 10])
        np.testing.assert_allclose(arguments.axis("rho=-1:-2:2")[1], [-1, -2])

    @pytest.mark.parametrize(
        "wrong",
        ["rho", "rho=1", "rho=0:1", "rho=0:1:x", "rho=0:1:0", "=0:1:2", "rho=log:0:1:3", "rho=0:inf:3"],
    )
    def test_wrong_axes_are_refused(self, wrong):
        with pytest.raises(InputError, match="`--vary`"):
            arguments.axis(wrong)


class TestRun:
    """`fastlyap run`."""

    def test_what_is_written_reaches_the_engine_and_nothing_else(self, engine, capsys):
        words = [
            "run",
            "lorenz63",
            "--param",
            "rho=30",
            "--x0",
            "1,2,3",
            "--steps",
            "500",
            "--k",
            "2",
            "--every",
            "auto",
        ]
        assert cli.main(words) == 0
        assert engine.system.name == "lorenz63" and engine.parameters == {"rho": 30.0}
        assert engine.options == {"steps": 500, "k": 2, "every": "auto"}
        np.testing.assert_array_equal(engine.x0, [1, 2, 3])
        assert "nats per unit time" in capsys.readouterr().out

    def test_json(self, engine, capsys):
        engine.result = made.spectrum(divergence_error=np.array(np.nan))
        assert cli.main(["run", "lorenz63", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["exponents"] == pytest.approx([0.9, -1.1, -3.1])
        assert found["divergence_error"] is None and found["status"] == "OK" and found["settings"]["steps"] == 6400

    def test_a_failed_member_is_exit_code_3(self, engine, capsys):
        failed = made.spectrum(status=np.array(5, np.int8), exponents=np.full(3, np.nan), failed_step=np.array(7))
        engine.result = failed
        assert cli.main(["run", "lorenz63"]) == 3
        assert "ESCAPED" in capsys.readouterr().out

    def test_systems_from_files(self, engine, tmp_path):
        path = tmp_path / "rules.py"
        path.write_text(RULES)
        for name in ("tent", "family"):
            assert cli.main(["run", f"{path}:{name}"]) == 0
            assert engine.system.name == "tent"

    @pytest.mark.parametrize(
        "word", ["lorenz", "rules.py:tent", "{}/rules.py:not_a_system", "{}/rules.py:nothing", "a("]
    )
    def test_unknown_systems_are_wrong_arguments(self, word, tmp_path, capsys):
        (tmp_path / "rules.py").write_text(RULES)
        assert cli.main(["run", word.format(tmp_path)]) == 2
        assert capsys.readouterr().err.startswith("fastlyap: `")

    def test_families_take_their_size(self, engine):
        assert cli.main(["run", "lorenz96(n=12)"]) == 0
        assert engine.system.dim == 12

    def test_ctrl_c_shows_what_there_is(self, engine, capsys):
        engine.result = Interrupted("stopped", made.spectrum())
        assert cli.main(["run", "lorenz63"]) == 130
        assert "Kaplan-Yorke" in capsys.readouterr().out
        engine.result = KeyboardInterrupt()
        assert cli.main(["run", "lorenz63"]) == 130


class TestSweep:
    """`fastlyap sweep`."""

    def test_a_grid_file_and_summary(self, engine, tmp_path, capsys):
        out = tmp_path / "a.npz"
        words = [
            "sweep",
            "lorenz63",
            "--vary",
            "rho=1:2:4",
            "--vary",
            "sigma=log:1:100:3",
            "--param",
            "beta=2",
        ]
        assert cli.main([*words, "--members", "2", "--out", str(out)]) == 0
        assert engine.parameters.dims == ("rho", "sigma") and engine.parameters["beta"] == 2.0
        assert engine.options == {"members": 2, "history": False}
        assert storage.load(out).exponents.shape == (4, 3, 3)
        text = capsys.readouterr().out
        assert 6 <= len(text.splitlines()) <= 12
        assert "member-steps/s" in text and str(out) in text and "kinds" in text

    def test_state_components_may_vary(self, engine, tmp_path):
        words = ["sweep", "lorenz63", "--vary", "x=0:1:2", "--vary", "rho=1:2:3", "--x0", "5,6,7"]
        assert cli.main([*words, "--out", str(tmp_path / "a.npz")]) == 0
        assert set(engine.parameters.dims) == {"x", "rho"}
        assert engine.parameters.x0["z"] == 7.0 and engine.parameters.x0["x"].size == 2

    def test_a_picture(self, engine, tmp_path):
        pytest.importorskip("matplotlib")
        words = ["sweep", "lorenz63", "--vary", "rho=1:2:4", "--out", str(tmp_path / "a.npz")]
        assert cli.main([*words, "--plot", str(tmp_path / "a.png")]) == 0
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    def test_failed_members_are_exit_code_3(self, engine, tmp_path):
        engine.result = made.spectrum((4,), failed=[1])
        assert cli.main(["sweep", "lorenz63", "--vary", "rho=1:2:4", "--out", str(tmp_path / "a.npz")]) == 3

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--vary", "rho=1:2:4", "--out", "a.npz", "--chunk", "7"], "`--chunk` is for stores"),
            (["--vary", "rho=1:2:4", "--out", "a.csv"], "`--out` must end in .npz or .zarr"),
            (["--vary", "tau=1:2:4", "--out", "a.npz"], "there are: sigma, rho, beta, x, y, z"),
            (["--vary", "rho=1:2", "--out", "a.npz"], "`--vary`"),
        ],
    )
    def test_wrong_arguments_are_exit_code_2(self, engine, words, said, capsys):
        assert cli.main(["sweep", "lorenz63", *words]) == 2
        assert said in capsys.readouterr().err

    def test_storage_errors_are_found_before_the_work(self, engine, tmp_path, capsys):
        nowhere = tmp_path / "missing" / "a.npz"
        assert cli.main(["sweep", "lorenz63", "--vary", "rho=1:2:4", "--out", str(nowhere)]) == 74
        assert not hasattr(engine, "system") and "cannot write" in capsys.readouterr().err

    def test_ctrl_c_keeps_what_is_done(self, engine, tmp_path, capsys):
        out = tmp_path / "a.npz"
        engine.result = Interrupted("stopped", made.spectrum((4,)))
        assert cli.main(["sweep", "lorenz63", "--vary", "rho=1:2:4", "--out", str(out)]) == 130
        assert storage.load(out).exponents.shape == (4, 3)
        assert "interrupted" in capsys.readouterr().err


class TestOthers:
    """`info`, `list`, `doctor` and the parser itself."""

    def test_info(self, tmp_path, capsys):
        storage.save(made.spectrum((4,)), tmp_path / "a.npz")
        assert cli.main(["info", str(tmp_path / "a.npz")]) == 0
        assert "rho: 4" in capsys.readouterr().out
        (tmp_path / "b.npz").write_bytes(b"nothing")
        assert cli.main(["info", str(tmp_path / "b.npz")]) == 2
        assert cli.main(["info", str(tmp_path / "c.npz")]) == 74

    def test_list(self, capsys):
        assert cli.main(["list"]) == 0
        text = capsys.readouterr().out
        assert "lorenz63" in text and "henon" in text

    def test_doctor(self, capsys):
        assert cli.main(["doctor"]) == 0
        lines = capsys.readouterr().out.splitlines()
        told = {line.split("  ")[0] for line in lines}
        known = {"fastlyap", "numba", "processor", "vectors", "math library", "matrix products", "cache", "CUDA"}
        assert known <= told

    @pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["--version"], 0), ([], 2), (["fly"], 2)])
    def test_the_parser(self, words, code):
        assert cli.main(words) == code


@pytest.mark.compiled
def test_ctrl_c_for_real(tmp_path, capsys):
    words = ["sweep", "henon", "--vary", "a=1:1.2:16", "--out", str(tmp_path / "a.npz")]
    assert cli.main([*words, "--steps", "100"]) == 0  # so that the code is ready when the clock starts
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.perf_counter()
    assert cli.main([*words, "--steps", "10000000000"]) == 130
    assert time.perf_counter() - start < 10
    assert "interrupted" in capsys.readouterr().err
    found = storage.load(tmp_path / "a.npz")
    assert np.isfinite(found.exponents).any() and found.n_steps.max() < 10**10


def test_module_and_exit_code():
    found = subprocess.run([sys.executable, "-m", "fastlyap", "run", "nothing"], capture_output=True, text=True)
    assert found.returncode == 2 and "fastlyap list" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.compiled
def test_selftest_passes(capsys):
    assert cli.main(["selftest"]) == 0
    assert "all right" in capsys.readouterr().out


def test_the_speed_card_shows_every_workload(capsys, monkeypatch):
    calls = []
    made = {"nothing": speedcard.Workload(calls.append, 10, "member-steps/s", 7)}
    monkeypatch.setattr(speedcard, "workloads", lambda: made)
    assert cli.main(["bench"]) == 0
    machine, line = capsys.readouterr().out.splitlines()
    assert "cores" in machine and line.startswith("nothing ") and "member-steps/s" in line
    assert calls[:2] == [7, 7] and calls[2:] == [350] * speedcard.ROUNDS  # never longer than fifty of the first


@pytest.mark.slow
def test_every_workload_of_the_speed_card_runs():
    for work in speedcard.workloads().values():
        work.call(100)
