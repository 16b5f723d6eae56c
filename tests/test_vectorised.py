"""The guard of speed: compiled lane kernels consist of packed fused multiply-adds on full registers.

A change that makes LLVM fall back to scalar code loses a factor of ten and no digit, so no other test sees it.
"""

import re
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest

import fastlyap as fl
from fastlyap import hardware
from fastlyap.backend import cpu
from fastlyap.request import Integration
from fastlyap.trace import cache

REGISTER = {512: "zmm", 256: "ymm"}

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(hardware.interpreted(), reason="needs the compiler"),
    pytest.mark.skipif(
        hardware.simd_bits() not in REGISTER or not llvm.get_host_cpu_features().get("fma"),
        reason="a machine without fused multiply-add",
    ),
]


@fl.flow(state="x y z", parameters=dict(sigma=10.0, rho=28.0, beta=8 / 3), x0=(1.0, 1.0, 25.0), dt=0.01)
def lorenz63(t, x, p):
    return p.sigma * (x.y - x.x), x.x * (p.rho - x.z) - x.y, x.x * x.y - p.beta * x.z


def freshly_compiled(monkeypatch, folder, dtype):
    """The machine code of `grow`; that of a module from disk cannot be looked at."""
    width = hardware.lanes(dtype)
    monkeypatch.setenv("FASTLYAP_CACHE_DIR", str(folder))
    text = cpu.module_of(lorenz63, "rk4", width, "tuples").text
    monkeypatch.delitem(sys.modules, cache.module_name(text, cpu.options(width, dtype)), raising=False)
    rho = np.linspace(28.0, 29.0, 2 * width)
    fl.spectrum(lorenz63, parameters=dict(rho=rho), steps=20, transient=0, every=10, dtype=dtype, progress=False)
    kernels = cpu.load(lorenz63, Integration("rk4", 0.01, dtype=dtype), width, "tuples")
    return list(kernels.module.grow.overloads.values())[0].library.get_asm_str()


def count(assembly, kind):
    """Fused multiply-adds of one kind ("pd", "sd", ...), by register."""
    found = re.findall(rf"\tvfn?m(?:add|sub)\d+{kind}\s.*%([xyz]mm)\d+", assembly)
    return {name: found.count(name) for name in ("xmm", "ymm", "zmm")}


@pytest.mark.parametrize(("dtype", "letter"), [("float64", "d"), ("float32", "s")])
def test_lane_kernels_are_packed(monkeypatch, tmp_path, dtype, letter):
    assembly = freshly_compiled(monkeypatch, tmp_path, dtype)
    packed, scalar = count(assembly, "p" + letter), count(assembly, "s" + letter)
    wide = packed[REGISTER[hardware.simd_bits()]]
    assert wide >= 100, f"four stages of a state and a tangent vector need more packed operations: {packed}"
    assert wide > 0.9 * sum(packed.values()), f"narrower registers than this machine has: {packed}"
    assert sum(scalar.values()) < 0.1 * wide, f"scalar operations in lane kernels: {scalar} beside {packed}"
