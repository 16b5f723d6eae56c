"""Truths known in closed form, computed on this machine with nothing but the hard dependencies."""

import math
import time
from collections.abc import Callable

import numpy as np

from fastlyap import system, systems
from fastlyap.lyapunov import spectrum
from fastlyap.status import Status

Finding = tuple[str, bool]  # what was found, and whether it is right


def run(show: Callable[[str], object] = print) -> bool:
    """Run all checks, one line each.

    Parameters
    ----------
    show : callable
        Takes one line of text.

    Returns
    -------
    bool
        Whether all passed.
    """
    passed = True
    for name, check in CHECKS.items():
        start = time.perf_counter()
        try:
            found, right = check()
        except Exception as problem:  # one broken check must not hide the others
            found, right = f"{type(problem).__name__}: {problem}", False
        passed &= right
        show(f"{'ok' if right else 'WRONG':<6}{name:<24}{found} ({time.perf_counter() - start:.1f} s)")
    show("all right" if passed else "something is wrong on this machine; please report it with `fastlyap doctor`")
    return passed


def _near(found: np.ndarray, truth: np.ndarray, tolerance: float) -> Finding:
    error = float(np.max(np.abs(np.asarray(found) - truth)))
    return f"error {error:.1e}, allowed {tolerance:.0e}", error <= tolerance


def cat_map() -> Finding:
    """Exponents +-ln((3 + sqrt 5)/2)."""
    exact = math.log((3 + math.sqrt(5)) / 2)
    return _near(spectrum(systems.cat(), steps=1_000).exponents, np.array([exact, -exact]), 1e-10)


def henon_sum() -> Finding:
    """The two exponents add up to ln b."""
    found = spectrum(systems.henon(), steps=10_000)
    return _near(found.exponents.sum(), np.array(math.log(0.3)), 1e-10)


def logistic() -> Finding:
    """ln 2 at r = 4; a finite mean is off by about 1/steps."""
    found = spectrum(systems.logistic().with_parameters(r=4.0), steps=100_000)
    return _near(found.exponents, np.array([math.log(2.0)]), 3e-4)


def linear_flow() -> Finding:
    """The real parts of the eigenvalues; a rotation with damping 1, and a decay at rate 5."""

    @system.flow(state="x y z", x0=(1.0, 1.0, 1.0), dt=0.01)
    def damped(t, x, p):
        return -x.x - 3.0 * x.y, 3.0 * x.x - x.y, -5.0 * x.z

    found = spectrum(damped, steps=10_000, transient=1_000)
    return _near(found.exponents, np.array([-1.0, -1.0, -5.0]), 1e-5)


def lorenz_sum_rule() -> Finding:
    """The exponents add up to the mean log-determinant of the steps, to rounding."""
    found = spectrum(systems.lorenz63(), steps=10_000, dt=0.01)
    rounding, total = (
        _near(found.sum_rule, np.array(0.0), 1e-11),
        _near(found.divergence_error, np.array(0.0), 1e-3),
    )
    return rounding[0], rounding[1] and total[1]


def reference_agrees() -> Finding:
    """Compiled code and the plain NumPy page agree before chaos parts them."""
    short = {"steps": 200, "transient": 0, "dt": 0.01, "every": 1}
    compiled = spectrum(systems.lorenz63(), backend="cpu", **short)
    plain = spectrum(systems.lorenz63(), backend="reference", **short)
    return _near(compiled.exponents, plain.exponents, 1e-9)


def one_fails() -> Finding:
    """A member that escapes is reported, and the others keep every bit."""
    good = spectrum(systems.henon(), parameters={"a": np.full(16, 1.4)}, steps=1_000)
    mixed = spectrum(systems.henon(), parameters={"a": np.where(np.arange(16) == 5, 10.0, 1.4)}, steps=1_000)
    others = np.arange(16) != 5
    same = np.array_equal(good.exponents[others], mixed.exponents[others])
    lost = bool(mixed.status[5] == Status.ESCAPED) and bool(np.all(mixed.status[others] == Status.OK))
    return (
        f"member 5 {Status(int(mixed.status[5])).name}, others {'unchanged' if same else 'CHANGED'}",
        same and lost,
    )


CHECKS: dict[str, Callable[[], Finding]] = {
    "cat map": cat_map,
    "Henon sum": henon_sum,
    "logistic r = 4": logistic,
    "linear flow": linear_flow,
    "Lorenz sum rule": lorenz_sum_rule,
    "compiled = reference": reference_agrees,
    "one member fails": one_fails,
}
