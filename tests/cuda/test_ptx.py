"""The CUDA kernels compiled to PTX without a card: everything compiles, nothing spills, float32 stays float32."""

import importlib.util
import re
import shutil
import subprocess

import pytest
from numba import config, types

from fastlyap import systems
from fastlyap.request import Integration
from fastlyap.system import flow

if importlib.util.find_spec("numba_cuda") is None:
    pytest.skip("needs numba-cuda", allow_module_level=True)
if config.ENABLE_CUDASIM or config.DISABLE_JIT:
    pytest.skip("needs the compiler, not the simulator", allow_module_level=True)

SMALL = [s for s in (make() for make in systems._ALL) if s.dim <= 8 and s.recording is not None and not s.delays]
SMALL += [systems.lorenz96(n=8), systems.kuramoto(n=4)]
CARD = (9, 0)  # compute capability

needs_ptxas = pytest.mark.skipif(shutil.which("ptxas") is None, reason="needs ptxas")


class Card:
    """What the compiler asks of the current device."""

    compute_capability = CARD


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """A current device, which device functions ask for when they are typed."""
    from numba.cuda import dispatcher

    monkeypatch.setattr(dispatcher, "get_current_device", Card)


def compiled(system, integrator, dtype, name="grow"):
    """The PTX of a kernel."""
    from numba import cuda

    from fastlyap.backend import cuda as backend

    kernels = backend.load(system, Integration(integrator, 0.01, dtype=dtype))
    real, whole, truth = types.float64, types.int64, types.boolean
    rows, sums = kernels.kind[:, ::1], types.float64[:, ::1]
    choice, *rest = {
        "grow": (system.dim, real, real, whole, whole, whole, truth, truth, real, real, real, real),
        "follow": (False, real, real, whole, whole, real, real, real, rows, whole),
        "pull_back": (system.dim, rows, rows, real, real, whole, whole, whole, whole, real, real, real, real),
    }[name]
    kernel = getattr(kernels, name)(choice)
    text, _ = cuda.compile_ptx(kernel.py_func, (rows, sums, rows, *rest), cc=CARD)
    return text


def assembled(ptx, folder):
    """What ptxas says of registers, stack and spills of the kernel and the functions it calls."""
    source = folder / "kernel.ptx"
    source.write_text(ptx)
    command = ["ptxas", "-arch=sm_90", "-v", str(source), "-o", str(folder / "kernel.cubin")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def spilled(report):
    """Bytes spilled, in all functions together."""
    return sum(map(int, re.findall(r"(\d+) bytes spill", report)))


@pytest.mark.parametrize("system", SMALL, ids=lambda s: f"{s.name}-{s.dim}")
def test_catalogue_compiles(system):
    ptx = compiled(system, "map" if system.kind == "map" else "rk4", "float64")
    assert ".target sm_90" in ptx and ".entry" in ptx


@pytest.mark.parametrize("name", ["follow", "pull_back"])
@pytest.mark.parametrize("integrator", ["euler", "dopri5"])
def test_other_kernels_compile(integrator, name):
    assert ".entry" in compiled(systems.rossler(), integrator, "float64", name)


@pytest.mark.parametrize("name", ["grow", "pull_back"])
def test_symplectic_kernels_compile(name):
    assert ".entry" in compiled(systems.henon_heiles(), "yoshida4", "float64", name)


@pytest.mark.parametrize("name", ["grow", "pull_back"])
def test_exponential_kernels_compile(name):
    @flow(state="x y", linear=[-50.0, 1.0], x0=(0.1, 0.1), dt=0.1)
    def stiff(t, x, p):
        return x.y**2, -x.x * x.y

    assert ".entry" in compiled(stiff, "etdrk4", "float64", name)


@needs_ptxas
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["grow", "follow"])
def test_lorenz63_stays_in_registers(name, dtype, tmp_path):
    ptx = compiled(systems.lorenz63(), "rk4", dtype, name)
    assert spilled(assembled(ptx, tmp_path)) == 0
    # its own arrays take no memory: the stack holds no more than the copy of the rows that `replace` works on
    stack = [int(size) for size in re.findall(r"\.local .*__local_depot\d+\[(\d+)\]", ptx)]
    assert sum(stack) <= (13 + 1) * (8 if dtype == "float64" else 4) + 8


def test_stored_stages_are_not_reloaded():
    # no memory is touched between two steps but parameters and the sum of the divergence
    ptx = compiled(systems.lorenz63(), "rk4", "float64", "follow")
    assert "ld.local" not in ptx and "st.local" not in ptx


@pytest.mark.parametrize("make", [systems.lorenz63, systems.rossler, systems.henon], ids=lambda make: make.__name__)
def test_float32_does_nothing_in_float64_but_add(make):
    system = make()
    ptx = compiled(system, "map" if system.kind == "map" else "rk4", "float32")
    doubles = {line.split()[0] for line in ptx.splitlines() if re.match(r"\t\w[\w.]*\.f64", line)}
    done = {word.split(".")[0] for word in doubles}
    assert done <= {"add", "sub", "cvt", "mov", "setp", "selp", "max", "min", "neg", "abs", "ld", "st"}, done
    assert "fma.rn.f32" in ptx
    called = set(re.findall(r"(?:call|\.func)[^;{]*?(\w*(?:__nv_|__internal_)\w*)", ptx))
    assert not called, called
