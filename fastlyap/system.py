"""A dynamical system: a rule written once, its defaults, and what follows from the recording of the rule."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from fastlyap import array_style, definition, linear_part, products
from fastlyap.definition import Kernels, Known, Subspace
from fastlyap.errors import InputError
from fastlyap.trace import noise as traced
from fastlyap.trace import symplectic
from fastlyap.trace.latex import to_latex
from fastlyap.trace.recorder import Recording, record
from fastlyap.trace.unjit import plain


@dataclass(frozen=True, eq=False, repr=False)
class System:
    """A flow or a map with default parameters, initial state and step; made by `flow` and `iterated_map`.

    Attributes
    ----------
    kind : "flow" or "map"
    name : str
    state_names : tuple of n names
    parameters : read-only mapping, name -> float or read-only float64 array; shapes are the parameters' own
    x0 : (n,) default initial state, or None
    dt : default step of a flow in units of time, or None
    known : exponents from the literature at these parameters (`Known`), or None
    recording : the recorded rule, None for a system of kernels
    integrator : default integrator, or None
    noise_recording, noise_directions : the declared noise (1 or n outputs) and its subspace (n, q), or None
    kernels : array-style functions of a rule that cannot be recorded, else None
    function : the rule as it was written; None after unpickling, where the recording stands for it
    delay : name of the parameter, or tuple of names, of the delays of `x.delayed`; None without delay
    parts : recordings of the linear rates and of what is left of the rule, where `linear=` was given; else None
    subspace : to which tangents are restricted (see `fl.spectrum`); architecture : of a recurrent cell; else None
    """

    kind: str
    name: str
    state_names: tuple[str, ...]
    parameters: Mapping[str, float | np.ndarray]
    recording: Recording | None
    x0: np.ndarray | None = None
    dt: float | None = None
    known: Known | None = None
    integrator: str | None = None
    noise_recording: Recording | None = None
    noise_directions: np.ndarray | None = None
    kernels: Kernels | None = None
    function: Callable | None = None
    delay: str | tuple[str, ...] | None = None
    parts: tuple[Recording, Recording] | None = None
    subspace: Subspace | None = None
    architecture: Any = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Own shape of each parameter."""
        return {name: np.shape(value) for name, value in self.parameters.items()}

    @property
    def dim(self) -> int:
        """Number of states n."""
        return len(self.state_names)

    @functools.cached_property
    def flat_parameters(self) -> np.ndarray:
        """(n_parameters,) the defaults, raveled, one after another."""
        parts = [np.ravel(value) for value in self.parameters.values()]
        return np.concatenate(parts) if parts else np.zeros(0)

    @property
    def delays(self) -> tuple[str, ...]:
        """Names of the delays; none for an ordinary system."""
        return (self.delay,) if isinstance(self.delay, str) else self.delay or ()

    @property
    def inputs(self) -> int:
        """Number of states the rule reads, delayed ones included."""
        return self.dim * (1 + len(self.delays))

    @functools.cached_property
    def noise_count(self) -> int:
        """Number of independent normals that every step draws; 0 without noise."""
        return traced.count(self.recording, self.noise_recording, self.noise_directions)

    @functools.cached_property
    def noise_is_additive(self) -> bool:
        """Whether the size of the noise does not depend on the state."""
        return self.noise_recording is None or not traced.depends_on_state(self.noise_recording)

    @functools.cached_property
    def obstacle_to_splitting(self) -> str:
        """Why the symplectic integrators cannot step this flow, in words; empty where they can."""
        return symplectic.obstacle(self.recording, self.state_names)

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of everything that decides numbers; systems with equal digests are equal."""
        functions = None
        if self.kernels is not None:
            codes = [getattr(plain(f), "__code__", None) for f in vars(self.kernels).values()]
            functions = [(c.co_qualname, c.co_code) for c in codes if c is not None]
        recordings = [r and r.digest for r in (self.recording, self.noise_recording, *(self.parts or ()))]
        words = (self.kind, self.name, self.state_names, self.dt, self.integrator, recordings, functions, *self.delays)
        h = blake2b(repr(words).encode(), digest_size=16)
        more = {"x0": self.x0, "directions": self.noise_directions, "subspace": self.subspace and self.subspace.bits}
        for name, value in (*self.parameters.items(), *more.items()):
            array = np.asarray(np.nan if value is None else value, dtype=np.float64)
            h.update(f"{name}{array.shape}".encode() + array.tobytes())
        return h.hexdigest()

    def with_parameters(self, **values: Any) -> System:
        """The same system with other default parameters, each of its own shape."""
        changed = dict(self.parameters)
        for name, value in values.items():
            if name not in changed:
                raise InputError(
                    f"`with_parameters` knows no `{name}` in {self.name}; there are: {', '.join(changed) or 'none'}."
                )
            shape = np.shape(changed[name])
            changed[name] = definition.frozen(name, value)
            if np.shape(changed[name]) != shape:
                raise InputError(
                    f"`{name}` must have shape {shape}, got {np.shape(changed[name])}; batches go into the call: "
                    f"parameters={{{name!r}: ...}}."
                )
        same = all(np.array_equal(changed[name], old) for name, old in self.parameters.items())
        return replace(self, parameters=definition.parameters(changed), known=self.known if same else None)

    def with_noise(self, sigma: Any, directions: Any = None) -> System:
        """The same system with Gaussian noise at every step, of size sigma, its new parameter `noise_size`.

        Maps become x' = f(x) + sigma V b, flows dx = f dt + sigma V dB.

        Parameters
        ----------
        sigma : number >= 0, or (n,), one per state
        directions : (n, q), the matrix V; the identity by default
        """
        return replace(self, **definition.with_noise(self, sigma, directions))

    def rule(self, x: Any, t: Any = 0.0) -> np.ndarray:
        """f(t, x) at the default parameters: x (..., n) -> (..., n); t broadcasts against x's leading axes.

        With delays x (..., n (1 + D)) holds the present states and those at each of D delays, one after another.
        """
        return products.values(self, self._states(x), t)

    def jacobian(self, x: Any, t: Any = 0.0) -> np.ndarray:
        """J[..., i, j] = d f_i / d x_j at the default parameters: x (..., n) -> (..., n, n); see `rule` for delays."""
        return products.jacobian(self, self._states(x), t)

    def _states(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim == 0 or x.shape[-1] != self.inputs:
            raise InputError(f"`x` must have shape (..., {self.inputs}) for {self.name}, got {x.shape}.")
        return x

    def to_latex(self) -> str:
        """The equations in LaTeX, one line per state; xi_i are independent normals, for flows white in time."""
        if self.recording is None:
            raise InputError(f"`to_latex` needs a recorded rule; {self.name} consists of compiled functions.")
        whole = traced.field(self.recording, self.noise_recording, self.noise_directions)
        return to_latex(whole, self.state_names, tuple(self.parameters), kind=self.kind, delays=self.delays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, System) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self):
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        state.update(parameters=dict(self.parameters), function=None)
        return _restore, (state,)

    def __repr__(self) -> str:
        states = ", ".join(self.state_names[:6]) + (", ..." if self.dim > 6 else "")
        values = [f"{k}={definition.short(v)}" for k, v in list(self.parameters.items())[:8]]
        values += ["..."] if len(self.parameters) > 8 else []
        values += [f"dt={self.dt:g}"] if self.dt is not None else []
        return f"<{self.name}: {self.kind} of ({states}), n = {self.dim}{'; ' if values else ''}{', '.join(values)}>"

    @staticmethod
    def from_kernels(**given: Any) -> System:
        """A system of array-style functions, for rules that cannot be recorded.

        Parameters
        ----------
        kind : "flow" or "map"
        dim : number of states n
        parameters : dict of names and defaults; the functions see them flat, raveled one after another
        rule : rule(t, x, p, out) writes f(t, x) into out (n,); plain Python or compiled by Numba
        tangent : tangent(t, x, v, p, out) writes J v; needed where the rule cannot be recorded
        adjoint : adjoint(t, x, w, p, out) writes J' w
        parameter_adjoint : parameter_adjoint(t, x, w, p, out) adds (df/dp)' w into out
        divergence : divergence(t, x, p) -> trace of J
        x0, dt, state, noise, name : as for `flow`; `state` gives names instead of x0, x1 ...
        """
        return System(**array_style.parts(**given))

    @staticmethod
    def from_scipy(
        f: Callable, names: Any = None, args: Any = (), *, x0: Any = None, dt: Any = None, name: str | None = None
    ) -> System:
        """Record `f(t, y, *args)` as written for `scipy.integrate.solve_ivp`.

        Parameters
        ----------
        f : callable; y is an object array (n,), so np.array([...]) of its components may be returned
        names : names of the states, or their number; by default the length of `x0` decides
        args : tuple of defaults, which become parameters under the names in f's signature, or a dict of them
        x0 : (n,); dt : default step
        """
        if names is None:
            if x0 is None:
                raise InputError("`names` or `x0` must be given: nothing else says how many states `f` has.")
            names = len(x0)
        if not isinstance(args, Mapping):
            args = dict(zip(definition.argument_names(f, len(args)), args, strict=True))

        def rule(t: Any, x: Any, p: Any) -> Any:
            return f(t, np.asarray(x), *[p[name] for name in args])

        return flow(state=names, parameters=args, x0=x0, dt=dt, name=name or getattr(f, "__name__", "rule"))(rule)


def _restore(state: dict[str, Any]) -> System:
    return System(**{**state, "parameters": definition.parameters(state["parameters"])})


def _define(kind: str, given: dict[str, Any]) -> Callable[[Callable], System]:
    """The decorator that records a rule and puts it together with its checked defaults."""
    names = definition.state_names(given["state"])
    values = definition.parameters(given["parameters"])
    delay = definition.delay(given.get("delay"), names, values)
    if delay is not None and given["noise"] is not None:
        raise InputError("`noise` and `delay` cannot be combined yet; leave one of them out.")
    defaults = {
        "delay": delay,
        "x0": definition.initial_state(given["x0"], names),
        "dt": definition.step(given.get("dt"), kind),
        "integrator": definition.integrator(given.get("integrator"), kind),
        "noise_directions": definition.directions(given["noise_directions"], len(names)),
        "known": given["known"],
    }

    def decorate(rule: Callable) -> System:
        if not callable(rule):
            raise InputError(f"a rule must be a function rule(t, x, p), got {type(rule).__name__}.")
        recording = record(rule, state_names=names, parameters=values, delay=delay)
        noise = definition.noise(given["noise"], names, values)
        name = given["name"] or getattr(rule, "__name__", type(rule).__name__).strip("<>")
        made = {"recording": recording, "function": rule}
        if given.get("linear") is not None:
            made = linear_part.fields(given["linear"], rule, recording, names, values)
        return System(kind, name, names, values, noise_recording=noise, **made, **defaults)

    return decorate


def flow(
    *, state: Any, parameters: Any = None, x0: Any = None, dt: float | None = None, noise: Any = None,
    noise_directions: Any = None, delay: Any = None, linear: Any = None, integrator: str | None = None,
    name: str | None = None, known: Known | None = None,
) -> Callable[[Callable], System]:  # fmt: skip
    """Decorator: dx/dt = rule(t, x, p) as a System.

    Parameters
    ----------
    state : "x y z", a list of names, or the number of states
    parameters : dict of names and defaults; arrays are read as p.omega[i]
    x0 : (n,) default initial state, also a dict by name
    dt : default step in units of time
    noise : number, parameter name, or rule giving one number or one per state
    noise_directions : (n, q), the subspace of the noise
    delay : name of a parameter, or a tuple of names: `x.delayed` (`x.delayed[0]` ... for a tuple) is the state then
    linear : n numbers, parameter name, or function of p giving n rates c: the flow is c x + rule(t, x, p)
    integrator : "rk4" (default), "dopri5", "euler", "leapfrog", "yoshida4", "etdrk4" (with `linear`) ...
    name : by default that of the function
    known : exponents at the default parameters
    """
    return _define("flow", locals())


def iterated_map(
    *, state: Any, parameters: Any = None, x0: Any = None, noise: Any = None, noise_directions: Any = None,
    name: str | None = None, known: Known | None = None,
) -> Callable[[Callable], System]:  # fmt: skip
    """Decorator: x(t + 1) = rule(t, x(t), p) as a System; arguments as for `flow`, t is the step number."""
    return _define("map", locals())
