"""Shadowing of Lorenz 63 over many parameter values and members, against NumPy over all of them at once.

Both walk the same orbits with the same numbers of modes and lengths of segments, on one thread, and must agree in every
member's derivative first. The last rows show that the cost of a member grows linearly.
"""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.contenders import numpy_shadowing, numpy_shadowing_rows
from bench.timing import Contender
from bench.workloads import lorenz63, lorenz96, sweep
from fastlyap import cast
from fastlyap.machines.gradient_starts import repeated

SECTION = "X. Shadowing"
DT, LENGTH, MEMBERS, VALUES = 0.005, 40, 16, 1000

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="shadowing")


def mean_z(x, p):
    return x.z


def ours(rho, segments, members=MEMBERS, method=None, **options):
    """The derivative of <z> by rho from the system's perturbed start."""
    how = dict(steps=segments * LENGTH, transient=0, dt=DT, threads=1, progress=False, keep_members=True) | options
    return fl.gradient(
        lorenz63, fl.average(mean_z), "rho", parameters={"rho": rho}, members=members,
        method=method or fl.Shadowing(segment=LENGTH, modes=2), **how,
    )  # fmt: skip


def theirs(rho, segments, rows=False):
    """The same by NumPy, from the same starts and with the same covector at the end; with `rows` members come first."""
    starts = repeated(cast.members(lorenz63, None, {"rho": rho}), MEMBERS, "auto", 0)
    random = np.random.Generator(np.random.Philox(key=[0, 2**63])).standard_normal((2, 3))[0]
    if rows:
        return numpy_shadowing_rows.shadowing(starts.x, np.repeat(rho, MEMBERS), DT, segments, LENGTH, random)
    x = np.ascontiguousarray(starts.x.T)
    return numpy_shadowing.shadowing(x, np.repeat(rho, MEMBERS), DT, segments, LENGTH, random)


def contender(name, rho, segments, members=MEMBERS, **options):
    run = theirs if name.startswith("numpy") else ours
    more = options if run is theirs else dict(members=members) | options
    return Contender(name, lambda: run(rho, segments, **more), float(rho.size * members * segments * LENGTH))


def test_against_numpy(compare, book, sizes):
    rho = sweep(25.0, 50.0, int(VALUES * sizes.scale))
    few = sweep(25.0, 50.0, 5)
    for rows in (False, True):
        np.testing.assert_allclose(ours(few, 12).members["rho"].ravel(), theirs(few, 12, rows), rtol=1e-5)
    segments = int(250 * sizes.scale)
    us, automatic = contender("fastlyap", rho, segments), contender("automatic", rho, segments, method=fl.Shadowing())
    found = compare(us, automatic, contender("numpy", rho, 4), contender("numpy rows", rho, 2, rows=True))
    label = f"Lorenz 63, {rho.size} values x {MEMBERS} members"
    note = "members first, vectors in rows, as one writes it"
    book.ratio(SECTION, f"{label}, against numpy", found.ratio("numpy rows", "fastlyap"), aim=">= 30", note=note)
    note = "members last, arrays laid out for long loops"
    book.ratio(SECTION, f"{label}, against the quickest numpy", found.ratio("numpy", "fastlyap"), note=note)
    book.add(SECTION, f"{label}, rate", found.rate("fastlyap") / 1e6, unit="M member-steps/s", note="there and back")
    note = "chooses modes and segments of every value by short runs; carries a mode more"
    book.ratio(SECTION, f"{label}, automatic, cost over fixed", found.ratio("automatic", "fastlyap"), note=note)


def test_the_curve(book, sizes):
    """d<z>/drho at 100 values from 16 orbits of 200 time units each."""
    rho = sweep(25.0, 50.0, int(100 * sizes.scale))
    how = dict(steps=40_000, transient=4_000, dt=DT, progress=False, method=fl.Shadowing())
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        fl.gradient(lorenz63, fl.average(mean_z), "rho", parameters={"rho": rho}, members=MEMBERS, **how)
        seconds.append(time.perf_counter() - start)
    note = f"automatic, on the one core that benchmarks run on; first call {seconds[0]:.2g} s"
    label = f"curve of {rho.size} values, 16 members, 200 time units"
    book.add(SECTION, label, seconds[1], unit="s", aim="< 10 on 2 cores", note=note)


@pytest.mark.parametrize("what", ["steps", "members", "values"])
def test_cost_grows_linearly(what, compare, book, sizes):
    rho, members, segments = sweep(25.0, 50.0, int(200 * sizes.scale)), MEMBERS, int(200 * sizes.scale)
    larger = {
        "steps": (rho, 4 * segments, members), "members": (rho, segments, 4 * members),
        "values": (sweep(25.0, 50.0, 4 * rho.size), segments, members),
    }[what]  # fmt: skip
    small = contender("small", rho, segments, members)
    large = contender("large", larger[0], larger[1], larger[2])
    found = compare(small, large)
    ratio = found.ratio("large", "small")
    book.ratio(SECTION, f"cost of a member-step, 4 times the {what}", ratio, aim="about 1")


def test_cost_of_modes(compare, book, sizes):
    """Of Lorenz 96 with 8 states: each covector more costs the same."""
    system, steps = lorenz96(8), int(20_000 * sizes.scale)

    def run(modes):
        how = dict(steps=steps, transient=0, threads=1, progress=False, members=16)
        method = fl.Shadowing(segment=10, modes=modes)
        return fl.gradient(system, fl.average(lambda x, p: x[0] * x[0]), "F", method=method, **how)

    found = compare(*(Contender(f"{m} modes", lambda m=m: run(m), 16.0 * steps) for m in (1, 2, 4, 8)))
    seconds = {m: np.array(found.seconds[f"{m} modes"]) for m in (1, 2, 4, 8)}
    for few, many in ((1, 2), (2, 4), (4, 8)):
        each = (seconds[many] - seconds[few]) / (many - few)
        ratio = np.median(each / (seconds[8] / 9))
        note = "over the mean cost of a covector with 8 modes"
        book.add(SECTION, f"Lorenz 96, 8 states, each mode from {few} to {many}", ratio, unit="x", note=note)
