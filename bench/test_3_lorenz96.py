"""Lorenz 96 with 40 states and all 40 exponents: a batch of 64, and a single orbit; one core."""

import shutil
import time

import pytest

from bench import agreement, operations, peak
from bench.contenders import numpy_lorenz96
from bench.timing import Contender
from bench.workloads import DT, EVERY, exponents, lorenz96, ours, sweep, theirs
from fastlyap import hardware

SECTION = "3. Lorenz 96, 40 states, 40 exponents"
N, MEMBERS = 40, 64
TIME = 20.0  # of the orbit on which jitcode's tolerance is chosen

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="lorenz96")
system = lorenz96(N)


def forcing(members):
    return sweep(8.0, 9.0, members)


def reference(members):
    return exponents(system, steps=100, parameters=dict(F=forcing(members)))


def jax_contenders():
    from bench.contenders import jax_lorenz96

    for form in jax_lorenz96.FORMS:
        agreement.in_all(jax_lorenz96.spectra(forcing(8), 100, form), reference(8))
    F = forcing(MEMBERS)
    return [theirs(f"JAX, {form}", jax_lorenz96.spectra, 50, F, form=form) for form in jax_lorenz96.FORMS]


def test_batch(compare, book, sizes, absent):
    agreement.in_all(numpy_lorenz96.batched(forcing(8), 100), reference(8))
    us = ours(system, int(5000 * sizes.scale), parameters=dict(F=forcing(MEMBERS)))
    numpy = theirs("NumPy", numpy_lorenz96.batched, 50, forcing(MEMBERS))
    reason = absent("jax")
    by_hand = [] if reason else jax_contenders()
    loop = peak.fused(hardware.simd_bits())
    found = compare(us, numpy, *by_hand, loop)
    label = f"batch of {MEMBERS}"
    flops = operations.rk4(system, N, EVERY).plain
    share = [100 * flops * value for value in found.ratio(loop.name, us.name)]
    note = f"{flops:.0f} flops a member-step; the peak is {found.rate(loop.name) / 1e9:.0f} GF/s"
    book.add(SECTION, f"{label}, rate", found.rate(us.name) / 1e3, unit="k member-steps/s")
    book.add(
        SECTION, f"{label}, share of the FMA peak", share[0], unit="%", low=share[1], high=share[2], note=note
    )  # fmt: skip
    note = f"{found.ratio(numpy.name, loop.name).value / flops:.3g} x at this core's FMA peak"
    book.ratio(SECTION, f"{label}, against NumPy", found.ratio(numpy.name, us.name), aim=">= 20", note=note)
    if reason:
        book.add(SECTION, f"{label}, against JAX", aim=">= 20", note=reason)
        return
    best = found.best([c.name for c in by_hand])
    for other in by_hand:
        note = f"{found.rate(other.name) / 1e3:.3g} k member-steps/s, compiled in {found.compile_seconds(other):.1f} s"
        note += f"; {found.ratio(other.name, loop.name).value / flops:.3g} x at this core's FMA peak"
        aim = ">= 20" if other.name == best else ""
        book.ratio(SECTION, f"{label}, against {other.name}", found.ratio(other.name, us.name), aim=aim, note=note)


def pynamicalsys():
    from bench.contenders import with_pynamicalsys

    spectrum = with_pynamicalsys.lorenz96_spectrum
    agreement.in_sum(spectrum(8.0, 100), exponents(system, steps=100))
    return theirs("pynamicalsys", spectrum, 2000, 8.0)


def test_one_orbit(compare, book, sizes, absent):
    reason = absent("pynamicalsys")
    us = ours(system, int(50_000 * sizes.scale))
    others = [] if reason else [pynamicalsys()]
    found = compare(us, *others)
    book.add(SECTION, "one orbit, rate", found.rate(us.name) / 1e3, unit="k steps/s")
    label = "one orbit, against pynamicalsys"
    if reason:
        book.add(SECTION, label, aim=">= 5", note=reason)
    else:
        note = "it reorthonormalises after every step"
        book.ratio(SECTION, label, found.ratio("pynamicalsys", us.name), aim=">= 5", note=note)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # jitcode leaves folders behind
def test_one_orbit_at_equal_trace_error(compare, book, absent):
    """The sum of all exponents is -40 exactly; whoever errs less may loosen its tolerance."""
    label = "one orbit, against jitcode at equal trace error"
    reason = absent("jitcode") or ("" if shutil.which("gcc") else "no C compiler")
    if reason:
        book.add(SECTION, label, aim=">= 2", note=reason)
        pytest.skip(reason)
    from bench.contenders import with_jitcode

    steps = round(TIME / DT)
    error = abs(exponents(system, steps=steps, transient=10).sum() + N)
    start = time.perf_counter()
    tolerance = with_jitcode.loosest_tolerance(error, TIME)
    spent = time.perf_counter() - start
    us = Contender("fastlyap", lambda: exponents(system, steps=10 * steps), 10 * TIME)
    jitcode = Contender("jitcode", lambda: with_jitcode.lorenz96_spectrum(tolerance, TIME), TIME)
    found = compare(us, jitcode)
    note = f"error {error:.1e}; its tolerance {tolerance:.1e}; its code was made in about {spent:.0f} s"
    book.ratio(SECTION, label, found.ratio("jitcode", us.name), aim=">= 2", note=note)
