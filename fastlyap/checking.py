"""`check`: every derivative of a system against an independent one, with the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.products import (
    Products,
    analytic,
    cell_products,
    complex_step,
    difference,
    errors,
    kernel_products,
    recorded_products,
)
from fastlyap.trace.evaluate import evaluate
from fastlyap.trace.noise import held
from fastlyap.trace.recorder import record
from fastlyap.trace.views import View, view_of_states


@dataclass(frozen=True)
class CheckReport:
    """What `check` found: relative errors, NaN where there was nothing to compare.

    method : what the derivatives were compared with, "complex step" or "central difference"
    tangent : J v against it; adjoint : <w, J v> = <J' w, v>; parameter_adjoint : the same for df/dp
    divergence : trace of J; replay : the recording against the rule called on numbers
    deterministic : a second recording (or call) gave the same, None if the rule is no longer at hand
    finite : all values of the rule at the test point are finite
    """

    system: str
    method: str
    tangent: float
    adjoint: float
    parameter_adjoint: float
    divergence: float
    replay: float
    deterministic: bool | None
    finite: bool

    @property
    def limits(self) -> dict[str, float]:
        """Largest error that passes."""
        derivative = 1e-10 if self.method == "complex step" else 1e-4
        return {
            "tangent": derivative,
            "adjoint": 1e-10,
            "parameter_adjoint": derivative,
            "divergence": derivative,
            "replay": 1e-10,
        }

    @property
    def ok(self) -> bool:
        """Whether everything that could be compared agrees."""
        agree = all(not getattr(self, name) > limit for name, limit in self.limits.items())
        return agree and self.finite and self.deterministic is not False

    def __str__(self) -> str:
        lines = [f"check of {self.system}: {'passed' if self.ok else 'FAILED'}"]
        for name, limit in self.limits.items():
            value = getattr(self, name)
            verdict = "not compared" if np.isnan(value) else "ok" if value <= limit else f"above {limit:g}"
            lines.append(f"  {name:<18}{value:>10.1e}  {verdict}")
        known = {True: "yes", False: "NO", None: "not known"}
        lines += [f"  derivatives compared with: {self.method}", f"  deterministic: {known[self.deterministic]}"]
        return "\n".join([*lines, f"  finite at the test point: {known[self.finite]}"])


def check(system: Any, x: Any = None, parameters: Any = None, *, seed: int = 0) -> CheckReport:
    """Compare the derivatives of a system with independent ones in random directions; noise is held at some numbers.

    Parameters
    ----------
    system : System
    x : (n,) test point, with the delayed states behind it where there are any; by default near `x0`, off its symmetries
    parameters : dict of other parameter values
    seed : of the directions

    Returns
    -------
    CheckReport
        Printable; `.ok` says whether all agrees.
    """
    system = cast.system(system).with_parameters(**(parameters or {}))
    rng = np.random.default_rng(seed)
    p = system.flat_parameters
    x = _test_point(system, x, rng)
    recording = system.recording
    if recording is None:
        products = _compiled_products(system, len(p), rng)
        method, derivative = "central difference", difference(products.rule, x, p)
    else:
        if system.noise_count:
            normals = rng.standard_normal(system.noise_count)
            recording = held(recording, system.noise_recording, system.noise_directions, normals)
        products = recorded_products(recording)
        exact = analytic(recording)
        method = "complex step" if exact else "central difference"
        derivative = complex_step(recording, x, p, 0.0) if exact else difference(products.rule, x, p)
    with np.errstate(all="ignore"):
        found = errors(products, derivative, x, p, rng)
    values = {name: found.get(name, np.nan) for name in ("tangent", "adjoint", "parameter_adjoint", "divergence")}
    return CheckReport(
        system=system.name, method=method, **values, replay=_replay(system, x), deterministic=_deterministic(system, x),
        finite=bool(np.all(np.isfinite(products.rule(x, p)))),
    )  # fmt: skip


def _compiled_products(system: Any, n_parameters: int, rng: Any) -> Products:
    """Of a system without a recording; a recurrent cell reads some inputs."""
    about = system.architecture
    if about is None:
        return kernel_products(system.kernels, system.dim, n_parameters)
    return cell_products(system, rng.standard_normal(about.inputs) if about.driven else None)


def _test_point(system: Any, x: Any, rng: Any) -> np.ndarray:
    if x is not None:
        point = cast.real_array("x", x)
        if point.shape != (system.inputs,):
            raise InputError(f"`x` must have shape ({system.inputs},), got {point.shape}.")
        return point
    start = np.full(system.dim, 0.5) if system.x0 is None else system.x0
    start = np.tile(start, 1 + len(system.delays))
    return start + 1e-3 * (1.0 + np.abs(start)) * rng.standard_normal(len(start))


def _replay(system: Any, x: np.ndarray) -> float:
    """Relative difference between the recording and the rule itself on plain numbers."""
    if system.function is None:
        return np.nan
    p = View("parameter", tuple(system.parameters), tuple(system.parameters.values()))
    returned = system.function(0.0, view_of_states(system.state_names, tuple(x), system.delay), p)
    single = isinstance(returned, (float, int)) or (isinstance(returned, np.ndarray) and not returned.ndim)
    called = np.array([returned] if single else list(returned), dtype=np.float64)
    recorded = evaluate(system.recording.outputs, x, system.flat_parameters, 0.0)
    return float(np.linalg.norm(called - recorded) / (np.linalg.norm(recorded) or 1.0))


def _deterministic(system: Any, x: np.ndarray) -> bool | None:
    if system.architecture is not None:
        return None
    if system.recording is None:
        return bool(np.array_equal(system.rule(x), system.rule(x), equal_nan=True))
    if system.function is None:
        return None
    again = record(
        system.function, state_names=system.state_names, parameters=system.parameters, delay=system.delay
    )
    return again.digest == system.recording.digest
