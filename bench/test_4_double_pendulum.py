"""Double pendulum, a rule full of sines and cosines: against its own parts, and against the same with scalar math."""

import time

import numpy as np
import pytest

from bench import operations, peak, scalar_math
from bench.timing import Contender
from bench.workloads import DT, EVERY, double_pendulum, frame, lorenz63, ours, sweep
from fastlyap import hardware
from fastlyap.backend import cpu
from fastlyap.kernel import elementary
from fastlyap.kernel._compile import kernel
from fastlyap.machines.rows import new_rows
from fastlyap.request import Integration

SECTION = "4. Double pendulum, 4 exponents, sines and cosines"
HOW = Integration("rk4", DT)

pytestmark = [
    pytest.mark.benchmark(timer=time.process_time, group="double pendulum"),
    pytest.mark.skipif(hardware.lanes("float64") == 1, reason="no lanes"),
]


def bare(kernels, members, steps, name):
    """The compiled loop alone, without the call around it; the work is in member-steps."""
    S, A = new_rows(np.tile(double_pendulum.x0, (members, 1)), frame(4))
    batch = cpu.CpuBatch(kernels, S, A, sweep(9.0, 10.0, members)[:, None])
    return batch, Contender(name, lambda: batch.grow(HOW, 0.0, 4, 0, steps, EVERY), float(members * steps))


def test_against_scalar_math(compare, book, sizes):
    width = hardware.lanes("float64")
    members, steps = 16 * width, int(10_000 * sizes.scale)
    vector = cpu.load(double_pendulum, HOW, width, "tuples")
    scalar = scalar_math.kernels(double_pendulum, HOW, width)
    after = []
    for kernels in (vector, scalar):
        batch, contender = bare(kernels, members, 100, "short")
        contender.run()
        after.append(batch.read()[0])
    np.testing.assert_allclose(after[0], after[1], rtol=0, atol=1e-9)
    us = bare(vector, members, steps, elementary.library())[1]
    other = bare(scalar, members, steps // 5, "scalar sin and cos")[1]
    single = bare(cpu.load(double_pendulum, HOW, 1, "tuples"), members, steps // 5, "one lane")[1]
    found = compare(us, other, single)
    aim = ">= 6" if hardware.simd_bits() == 512 else ""
    note = f"same kernel, {width} lanes; vector functions from {us.name}"
    book.ratio(SECTION, "against scalar sin and cos", found.ratio(other.name, us.name), aim=aim, note=note)
    note = "all arithmetic scalar"
    book.ratio(SECTION, "against the one-lane program", found.ratio(single.name, us.name), note=note)


@kernel
def _divide(x):
    return 1.0 / x


def test_against_prediction(compare, book, sizes):
    """Seconds of the parts, measured in the same run: plain operations as in Lorenz 63, calls and divisions alone."""
    width = hardware.lanes("float64")
    members = 16 * width
    us = ours(double_pendulum, int(20_000 * sizes.scale), parameters=dict(g=sweep(9.0, 10.0, members)))
    plain = ours(lorenz63, int(50_000 * sizes.scale), name="Lorenz 63", parameters=dict(rho=sweep(28.0, 30.0, members)))
    parts = {name: peak.calls(name, getattr(elementary, name), width) for name in ("sin", "cos")}
    parts["division"] = peak.calls("division", _divide, width)
    found = compare(us, plain, *parts.values())
    mine, known = operations.rk4(double_pendulum, 4, EVERY), operations.rk4(lorenz63, 3, EVERY)
    calls = sum(count * found.per_unit(name) for name, count in mine.calls.items()) / width
    rest = mine.divisions * found.per_unit("division") / width
    rest += mine.plain / known.plain * found.per_unit(plain.name)
    seconds = found.per_unit(us.name)
    cost = ", ".join(f"{name} {1e9 * found.per_unit(name):.2g} ns" for name in parts)
    note = f"{mine.plain:.0f} operations, {sum(mine.calls.values()):.0f} calls, {mine.divisions:.0f} divisions; {cost}"
    book.add(SECTION, "rate", 1e-6 / seconds, unit="M member-steps/s", note=f"{members} members")
    book.add(SECTION, "time over that of its parts", seconds / (calls + rest), unit="x", aim="<= 2", note=note)
    share = 100 * calls / (calls + rest)
    book.add(SECTION, "share of the calls in the parts", share, unit="%", note=f"{elementary.library()}, {width} lanes")
