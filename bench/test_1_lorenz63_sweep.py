"""Lorenz 63, full spectrum of a sweep over rho, RK4, a reorthonormalisation every 10 steps; one core."""

import time

import numpy as np
import pytest

from bench import agreement, environment, machine_code, peak
from bench.contenders import numpy_lorenz63
from bench.workloads import exponents, lorenz63, ours, sweep, theirs
from fastlyap import hardware

SECTION = "1. Lorenz 63, sweep over rho, 3 exponents"
FLOPS = 326  # nominal, of a member-step: 4 stages of 41, Runge-Kutta sums 156, a tenth of Gram-Schmidt's 60
FEW = 512  # the batch that suits other programs' caches

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="lorenz63 sweep")


def rho(members):
    return sweep(28.0, 30.0, members)


def ours_at(members, steps, **more):
    return ours(lorenz63, steps, parameters=dict(rho=rho(members)), **more)


def reference(members):
    return exponents(lorenz63, steps=agreement.SHORT, parameters=dict(rho=rho(members)))


def numpy_contenders(members):
    expected = reference(16)
    agreement.in_all(numpy_lorenz63.components(rho(16), agreement.SHORT), expected)
    agreement.in_all(numpy_lorenz63.matrices(rho(16), agreement.SHORT), expected)
    agreement.in_all(numpy_lorenz63.loop(rho(16)[:2], agreement.SHORT), expected[:2])
    return [
        theirs("NumPy, one by one", numpy_lorenz63.loop, 2000, rho(1)),
        theirs(f"NumPy, components of {FEW} members", numpy_lorenz63.components, 300, rho(FEW)),
        theirs(f"NumPy, components of {members} members", numpy_lorenz63.components, 40, rho(members)),
        theirs(f"NumPy, matrices of {FEW} members", numpy_lorenz63.matrices, 100, rho(FEW)),
    ]


def jax_contenders(members):
    from bench.contenders import jax_lorenz63

    for form in jax_lorenz63.FORMS:
        agreement.in_all(jax_lorenz63.spectra(rho(16), agreement.SHORT, form), reference(16))
    return [
        theirs(f"JAX, {form}, {count} members", jax_lorenz63.spectra, 400_000 // count * 10, rho(count), form=form)
        for form in jax_lorenz63.FORMS
        for count in (FEW, members)
    ]


def lyapax_contenders():
    from bench.contenders import with_lyapax

    agreement.in_sum(with_lyapax.lorenz63_spectra(rho(16), agreement.SHORT), reference(16))
    found = with_lyapax.lorenz63_spectra(rho(FEW), 3000)
    agreement.in_largest(found, exponents(lorenz63, steps=3000, parameters=dict(rho=rho(FEW))))
    return [theirs(f"lyapax, vmap, {FEW} members", with_lyapax.lorenz63_spectra, 5000, rho(FEW))]


def test_against_numpy_and_peak(compare, book, sizes):
    us = ours_at(sizes.members, int(10_000 * sizes.scale))
    bits = sorted({hardware.simd_bits(), min(256, hardware.simd_bits())}, reverse=True)
    loops = [peak.fused(b) for b in bits]
    others = numpy_contenders(sizes.members)
    found = compare(us, *others, *loops)
    best = found.best([c.name for c in others[1:]])
    book.add(SECTION, "rate", found.rate(us.name) / 1e6, unit="M member-steps/s", note=f"{sizes.members} members")
    book.ratio(SECTION, "against NumPy, one by one", found.ratio(others[0].name, us.name), aim=">= 4000")
    for other in others[1:]:
        book.ratio(
            SECTION, f"against {other.name}", found.ratio(other.name, us.name),
            aim=">= 40" if other.name == best else "", note=ceiling(found, loops[0], other),
        )  # fmt: skip
    for bit, loop in zip(bits, loops, strict=True):
        share = found.ratio(loop.name, us.name)
        part = [100 * FLOPS * value for value in share]
        gigaflops = found.rate(loop.name) / 1e9
        book.add(
            SECTION, f"share of the FMA peak at {bit} bits", part[0], unit="%", low=part[1], high=part[2],
            aim=">= 55" if bit == 512 else "", note=f"{FLOPS} flops a member-step; the peak is {gigaflops:.0f} GF/s",
        )  # fmt: skip
    issued(book, found.per_unit(us.name), found.per_unit(loops[0].name))


def ceiling(found, loop, other):
    """What a program that did nothing but fused multiply-adds would reach, as a remark."""
    return f"{found.ratio(other.name, loop.name).value / FLOPS:.3g} x at this core's FMA peak"


def issued(book, seconds, seconds_per_flop):
    """The packed instructions a step issues, and the share of the peak's instructions that this is."""
    width = hardware.lanes("float64")
    loop = machine_code.step_loop(machine_code.grow_assembly(lorenz63, "rk4", width), 3, 3, width)
    label = "packed instructions issued, share of the peak's"
    if loop is None:
        book.add(SECTION, label, note="loops not recognised in the machine code")
        return
    share = 100 * loop.arithmetic / width * (2 * width * seconds_per_flop) / seconds
    note = f"{loop.arithmetic} in a step of {width} members, {loop.fused} of them FMAs, without reorthonormalisation"
    book.add(SECTION, label, share, unit="%", note=note)


def test_against_jax(compare, book, sizes, absent):
    reasons = {package: absent(package) for package in ("jax", "lyapax")}
    for package, reason in reasons.items():
        if reason:
            book.add(SECTION, f"against {package}", aim=">= 10", note=reason)
    if reasons["jax"]:
        pytest.skip(reasons["jax"])
    by_hand = jax_contenders(sizes.members)
    packaged = [] if reasons["lyapax"] else lyapax_contenders()
    us = ours_at(sizes.members, int(10_000 * sizes.scale))
    loop = peak.fused(hardware.simd_bits())
    found = compare(us, *by_hand, *packaged, loop)
    best = found.best([c.name for c in by_hand + packaged])
    for other in by_hand + packaged:
        rate, first = found.rate(other.name) / 1e6, found.compile_seconds(other)
        remark = f"{rate:.3g} M member-steps/s, compiled in {first:.1f} s"
        book.ratio(
            SECTION, f"against {other.name}", found.ratio(other.name, us.name),
            aim=">= 10" if other.name == best else "", note=f"{remark}; {ceiling(found, loop, other)}",
        )  # fmt: skip


def test_two_threads(compare, book, sizes):
    if len(environment.CORES) < 2:
        book.add(SECTION, "two threads against one", aim=">= 1.85", note="one core only")
        pytest.skip("one core only")
    steps = int(10_000 * sizes.scale)
    environment.use_cores(2)
    try:
        one = ours_at(sizes.members, steps, name="one thread")
        two = ours_at(sizes.members, steps, name="two threads", threads=2)
        found = compare(two, one, clock=time.perf_counter)
    finally:
        environment.use_cores(1)
    book.ratio(SECTION, "two threads against one", found.ratio(one.name, two.name), aim=">= 1.85", note="wall time")


def test_exponents_are_those_of_the_literature():
    """The timed call is a real one: 0.9056, 0, -14.5723 (Sprott 2003) at rho = 28."""
    found = exponents(lorenz63, steps=100_000, transient=1000)
    np.testing.assert_allclose(found, [0.9056, 0.0, -14.5723], atol=0.02)
