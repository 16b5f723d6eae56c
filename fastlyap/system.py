"""A dynamical system: a rule written once, its defaults, and what follows from the recording of the rule."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from typing import Any

import numpy as np

from fastlyap import array_style, definition, products
from fastlyap.definition import Kernels, Known
from fastlyap.errors import InputError
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

    @property
    def dim(self) -> int:
        """Number of states n."""
        return len(self.state_names)

    @functools.cached_property
    def flat_parameters(self) -> np.ndarray:
        """(n_parameters,) the defaults, raveled, one after another."""
        parts = [np.ravel(value) for value in self.parameters.values()]
        return np.concatenate(parts) if parts else np.zeros(0)

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of everything that decides numbers; systems with equal digests are equal."""
        functions = None
        if self.kernels is not None:
            codes = [getattr(plain(f), "__code__", None) for f in vars(self.kernels).values()]
            functions = [(c.co_qualname, c.co_code) for c in codes if c is not None]
        recordings = [r and r.digest for r in (self.recording, self.noise_recording)]
        words = (self.kind, self.name, self.state_names, self.dt, self.integrator, recordings, functions)
        h = blake2b(repr(words).encode(), digest_size=16)
        for name, value in (*self.parameters.items(), ("x0", self.x0), ("directions", self.noise_directions)):
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
        """Gaussian noise of size sigma at every step."""
        raise InputError("`with_noise`: noisy systems are not available yet; declare noise with `noise=` for later.")

    def rule(self, x: Any, t: Any = 0.0) -> np.ndarray:
        """f(t, x) at the default parameters: x (..., n) -> (..., n); t broadcasts against x's leading axes."""
        return products.values(self, self._states(x), t)

    def jacobian(self, x: Any, t: Any = 0.0) -> np.ndarray:
        """J[..., i, j] = d f_i / d x_j at the default parameters: x (..., n) -> (..., n, n)."""
        return products.jacobian(self, self._states(x), t)

    def _states(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.ndim == 0 or x.shape[-1] != self.dim:
            raise InputError(f"`x` must have shape (..., {self.dim}) for {self.name}, got {x.shape}.")
        return x

    def to_latex(self) -> str:
        """The equations in LaTeX, one line per state."""
        if self.recording is None:
            raise InputError(f"`to_latex` needs a recorded rule; {self.name} consists of compiled functions.")
        return to_latex(self.recording, self.state_names, tuple(self.parameters), kind=self.kind)

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
        values = [f"{k}={_short(v)}" for k, v in list(self.parameters.items())[:8]]
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
            args = dict(zip(_argument_names(f, len(args)), args, strict=True))

        def rule(t: Any, x: Any, p: Any) -> Any:
            return f(t, np.asarray(x), *[p[name] for name in args])

        return flow(state=names, parameters=args, x0=x0, dt=dt, name=name or getattr(f, "__name__", "rule"))(rule)


def _restore(state: dict[str, Any]) -> System:
    return System(**{**state, "parameters": definition.parameters(state["parameters"])})


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else f"array{np.shape(value)}"


def _argument_names(f: Callable, count: int) -> list[str]:
    """Names of f's arguments after t and y, as far as the signature tells."""
    try:
        known = [
            a.name
            for a in inspect.signature(f).parameters.values()
            if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)
        ][2:]
    except (TypeError, ValueError):
        known = []
    return [known[i] if i < len(known) else f"p{i}" for i in range(count)]


def _define(kind: str, given: dict[str, Any]) -> Callable[[Callable], System]:
    """The decorator that records a rule and puts it together with its checked defaults."""
    names = definition.state_names(given["state"])
    values = definition.parameters(given["parameters"])
    definition.refuse_delay(given.get("delay"))
    defaults = {
        "x0": definition.initial_state(given["x0"], names),
        "dt": definition.step(given.get("dt"), kind),
        "integrator": definition.integrator(given.get("integrator"), kind),
        "noise_directions": definition.directions(given["noise_directions"], len(names)),
        "known": given["known"],
    }

    def decorate(rule: Callable) -> System:
        if not callable(rule):
            raise InputError(f"a rule must be a function rule(t, x, p), got {type(rule).__name__}.")
        recording = record(rule, state_names=names, parameters=values)
        noise = definition.noise(given["noise"], names, values)
        name = given["name"] or getattr(rule, "__name__", type(rule).__name__).strip("<>")
        return System(kind, name, names, values, recording, noise_recording=noise, function=rule, **defaults)

    return decorate


def flow(
    *, state: Any, parameters: Any = None, x0: Any = None, dt: float | None = None, noise: Any = None,
    noise_directions: Any = None, delay: Any = None, integrator: str | None = None, name: str | None = None,
    known: Known | None = None,
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
    integrator : "rk4" (default), "dopri5", "euler" ...
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
