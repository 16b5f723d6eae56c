"""Methods of `fl.gradient` as values: what to do, checked when it is written down."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError

AUTO = "auto"
LISTED = 8  # numbers of a schedule that are shown


def _count_or_auto(name: str, value: Any, least: int) -> int | str:
    if isinstance(value, str):
        if value != AUTO:
            raise InputError(f'`{name}` must be "auto" or a whole number >= {least}, got {value!r}.')
        return value
    return cast.count(name, value, least)


@dataclass(frozen=True)
class Method:
    """What all methods share: a name for `stats`."""

    @property
    def name(self) -> str:
        """The name of the method."""
        return type(self).__name__


@dataclass(frozen=True)
class Backprop(Method):
    """Backpropagation through time: the exact adjoint of the discrete orbit; the truth where exponents are negative.

    Parameters
    ----------
    clip : float, optional
        Largest norm (over all parameters together) or absolute value of each member's gradient; beyond it the
        gradient is scaled down, or cut off value by value, as is usual in training.
    clip_by : "norm" or "value"
    window : int, optional
        Truncated backpropagation: covectors of the state are dropped after every so many steps, counted from the end.
    """

    clip: float | None = None
    clip_by: str = "norm"
    window: int | None = None

    def __post_init__(self) -> None:
        if self.clip is not None:
            cast.positive("clip", self.clip)
        cast.choice("clip_by", self.clip_by, ("norm", "value"))
        if self.window is not None:
            cast.count("window", self.window, 1)


@dataclass(frozen=True)
class KernelDifferentiation(Method):
    """Kernel differentiation, also called no-propagate, score or likelihood-ratio method: noise carries the derivative.

    Parameters
    ----------
    window : int or "auto"
        Of averages: lags 0 .. window between a noise and what it changes. "auto" doubles it until the result stays.

    Notes
    -----
    Ni, No-propagate algorithm for linear responses of random chaotic systems (2023); Ni, Ergodic and foliated kernel
    differentiation (2024). Long exponents do no harm; the variance grows like the window and 1 / noise^2.
    """

    window: int | str = AUTO

    def __post_init__(self) -> None:
        _count_or_auto("window", self.window, 0)


@dataclass(frozen=True)
class PathKernel(Method):
    """Path-kernel, the hybrid: a share beta of each covector is handed to the noise, the rest is propagated.

    Parameters
    ----------
    beta : "auto", float, array or callable
        In [0, 1]: 0 is backpropagation, 1 kernel differentiation. An array (steps,) or a function of the step number,
        of a network one number for each layer with noise, gives a schedule. "auto" keeps the second moment of the
        propagated part from growing. A matrix (n, n), or (steps, n, n), or a function that returns one, hands the
        noise K z of a perturbation z of the n states instead of beta z, such as its projection onto the unstable
        directions; what K z has outside of the noise's directions stays on the path.
    window : int or "auto"
        As in `KernelDifferentiation`.

    Notes
    -----
    Ni, Path-kernel (2025); Ni, Adjoint path-kernel (2025). Any schedule is unbiased where rule and objective are
    continuous.
    """

    beta: Any = AUTO
    window: int | str = AUTO

    def __post_init__(self) -> None:
        _count_or_auto("window", self.window, 0)
        if isinstance(self.beta, str):
            cast.choice("beta", self.beta, (AUTO,))
        elif not callable(self.beta):
            found = cast.real_array("beta", self.beta)
            found = _finite(found) if found.ndim in (2, 3) else _schedule(found)
            object.__setattr__(self, "beta", _nested(found.tolist()))

    def __repr__(self) -> str:
        long = callable(self.beta) or (isinstance(self.beta, tuple) and len(self.beta) > LISTED)
        return f"PathKernel(beta={'<schedule>' if long else repr(self.beta)}, window={self.window!r})"

    @functools.cached_property
    def by_matrix(self) -> bool:
        """Whether matrices tell what is handed over."""
        return not isinstance(self.beta, str) and np.ndim(self.beta(0) if callable(self.beta) else self.beta) > 1

    def matrices(self, steps: int, n: int) -> np.ndarray:
        """K of each step, (steps, n, n), or (1, n, n) where it is constant."""
        given = [self.beta(step) for step in range(steps)] if callable(self.beta) else self.beta
        found = _finite(cast.real_array("beta", given))
        found = found[None] if found.ndim == 2 else found
        if found.shape[1:] != (n, n) or len(found) not in (1, steps):
            raise InputError(f"`beta` must hold one {n} x {n} matrix, or one for each of {steps} steps, got shape "
                             f"{found.shape}.")  # fmt: skip
        return found

    def schedule(self, steps: int, unit: str = "steps") -> np.ndarray:
        """beta of each step, (steps,), or (1,) where it is constant."""
        if self.by_matrix:
            raise InputError("`beta` must be a number or one for each step here, got matrices, which are for systems "
                             "with a recorded rule.")  # fmt: skip
        if callable(self.beta):
            return _schedule([self.beta(step) for step in range(steps)])
        found = _schedule(self.beta)
        if found.ndim and len(found) != steps:
            raise InputError(f"`beta` must hold one number for each of {steps} {unit}, got {len(found)}.")
        return found.reshape(-1)


def _finite(beta: np.ndarray) -> np.ndarray:
    if not np.all(np.isfinite(beta)):
        raise InputError("`beta` must hold finite numbers.")
    return beta


def _nested(beta: Any) -> Any:
    """Lists as tuples, which can be compared and hashed."""
    return tuple(map(_nested, beta)) if isinstance(beta, list) else beta


def _schedule(beta: Any) -> np.ndarray:
    found = cast.real_array("beta", beta)
    if found.ndim > 1 or not found.size or np.any(found < 0) or np.any(found > 1):
        raise InputError(f"`beta` must be a number in [0, 1] or one for each step, got {beta!r:.60}.")
    return found


@dataclass(frozen=True)
class Shadowing(Method):
    """Adjoint shadowing of a chaotic orbit: the covector that stays bounded, whatever the length of the run.

    Parameters
    ----------
    segment : int or "auto"
        Steps between orthonormalisations of covectors; the result depends on it by rounding only.
    modes : int or "auto"
        Homogeneous covectors carried: "auto" takes, with u positive exponents, u + 2 for flows, u + 1 for maps, u for
        the march.
    solver : "least_squares" or "march"
        The smallest covector over the whole orbit; or, for maps with exactly `modes` positive exponents, a recursion.

    Notes
    -----
    Ni & Talnikar, JCP 395 (2019); Ni, Nonlinearity (2024). The derivative of an average has a second part, the change
    of density along unstable directions, which this leaves out: it is small where few of many directions are
    unstable, and can be as large as the first. `FastResponse` adds it for maps.
    """

    segment: int | str = AUTO
    modes: int | str = AUTO
    solver: str = "least_squares"

    def __post_init__(self) -> None:
        _count_or_auto("segment", self.segment, 1)
        _count_or_auto("modes", self.modes, 0)
        cast.choice("solver", self.solver, ("least_squares", "march"))


@dataclass(frozen=True)
class FastResponse(Method):
    """Linear response of a hyperbolic map: shadowing, minus what happens along the unstable directions.

    Parameters
    ----------
    segment : int or "auto"
        As in `Shadowing`.
    modes : int or "auto"
        Exactly the number of positive exponents, which "auto" finds.
    window : int or "auto"
        Steps before and after a state over which the objective is summed up; its decorrelation time. "auto" doubles it
        until the result stays.

    Notes
    -----
    Ni, Equivariant divergence formula (2021); Ni, Fast adjoint response (2021). For maps without noise, with second
    derivatives from the recorded rule.
    """

    segment: int | str = AUTO
    modes: int | str = AUTO
    window: int | str = AUTO

    def __post_init__(self) -> None:
        _count_or_auto("segment", self.segment, 1)
        _count_or_auto("modes", self.modes, 0)
        _count_or_auto("window", self.window, 0)


@dataclass(frozen=True)
class FiniteDifference(Method):
    """Central differences of long ensembles: the referee, at two runs for each number of the parameters.

    Parameters
    ----------
    step : float, or dict of name to float
        Half the distance between the two runs, in units of the parameter.
    noise : "common" or "independent"
        Whether both runs draw the same noise and start from the same states. Common noise helps where orbits do not
        part, and does no harm where they do.
    """

    step: Any
    noise: str = "common"

    def __post_init__(self) -> None:
        steps = self.step if isinstance(self.step, dict) else {"": self.step}
        for name, value in steps.items():
            cast.positive(f"step[{name!r}]" if name else "step", value)
        cast.choice("noise", self.noise, ("common", "independent"))

    def of(self, name: str) -> float:
        """The step of one parameter."""
        if not isinstance(self.step, dict):
            return float(self.step)
        if name not in self.step:
            raise InputError(f"`step` has no `{name}`, which is in `wrt`; it has: {', '.join(self.step)}.")
        return float(self.step[name])


METHODS = (Backprop, KernelDifferentiation, PathKernel, Shadowing, FastResponse, FiniteDifference)


def method(value: Any) -> Method | str:
    """`value` if it is a method or "auto"."""
    if isinstance(value, str):
        return cast.choice("method", value, (AUTO,))
    if isinstance(value, type) and issubclass(value, Method):
        raise InputError(f"`method` must be a value, got the class; write fl.{value.__name__}(...).")
    if not isinstance(value, Method):
        raise InputError(f'`method` must be "auto" or a method such as fl.Backprop(), got {value!r:.60}.')
    return value
