"""A rule with its parameters and how it is stepped, and the rule evaluated on states with tangents.

Everywhere in this folder Z (B, 1 + k, n) stacks a state (row 0) and k tangent vectors (rows 1 ..) per member. A
linear combination of such stacks is the combination of states and its exact tangent at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from fastlyap.reference.delayed import Past
from fastlyap.reference.dual import Dual
from fastlyap.reference.noise import Noise
from fastlyap.reference.views import View, parameters


@dataclass(frozen=True)
class Dynamics:
    """What is stepped, for B members.

    Parameters
    ----------
    rule : callable
        `rule(t, x, p)`, the user's function; returns n components.
    p : (B, n_params)
        Flat parameters: the raveled ones, one after another.
    parameter_names, parameter_shapes : tuples
        How `p` is cut up again.
    state_names : tuple of str
    integrator : "map", "euler", "rk4" or "dopri5"
    dt : float
        Step in units of time; 1 for maps. May be negative.
    t0 : float
        Time (flows) or step number (maps) at the start.
    rtol, atol : float
        Tolerances of dopri5.
    noise : Noise, optional
        Of `reference.noise`; the rule is then called with the normals it reads itself as a fourth argument, if any.
    past : Past, optional
        Of `reference.delayed`; states and vectors are then extended by their history.
    rates : (B, n), optional
        Linear rates of the rule's diagonal part, for etdrk4.
    subspace : (rows (q, n), bool), optional
        Orthonormal rows onto whose span tangents are projected after every step; and whether states are projected onto
        what is orthogonal to them.
    """

    rule: Callable
    p: np.ndarray
    parameter_names: tuple[str, ...] = ()
    parameter_shapes: tuple[tuple[int, ...], ...] = ()
    state_names: tuple[str, ...] = ()
    integrator: str = "map"
    dt: float = 1.0
    t0: float = 0.0
    rtol: float = 1e-9
    atol: float = 1e-12
    noise: Noise | None = None
    past: Past | None = None
    rates: np.ndarray | None = None
    subspace: tuple[np.ndarray, bool] | None = None

    @cached_property
    def parameters(self) -> View:
        """What the rule sees as `p`."""
        return parameters(self.p, self.parameter_names, self.parameter_shapes)

    def field(self, t: np.ndarray | float, Z: np.ndarray, w: np.ndarray | None = None) -> np.ndarray:
        """The rule and its Jacobian-vector products: f(x) and f_x(x) v of each vector, (B, 1 + k, n).

        w : (B, m) normals that the rule reads itself, if it does.
        """
        more = ([Dual(column) for column in w.T],) if w is not None and w.shape[1] else ()
        return self._values(self.rule, t, Z, *more)

    def size(self, t: np.ndarray | float, Z: np.ndarray) -> np.ndarray:
        """The size of the noise of each state and its derivatives along each vector, (B, 1 + k, n)."""
        n = Z.shape[2]

        def spread(t: Any, x: View, p: View) -> list:
            sizes = self.noise.size(t, x, p)
            return sizes * n if len(sizes) == 1 else sizes

        return self._values(spread, t, Z)

    def _values(self, rule: Callable, t: np.ndarray | float, Z: np.ndarray, *more: list) -> np.ndarray:
        """A rule of n components and its derivatives along the tangents of a stack."""
        x = View(self.state_names, [Dual(Z[:, 0, i], Z[:, 1:, i].T) for i in range(Z.shape[2])])
        out = np.zeros_like(Z)
        with np.errstate(all="ignore"):
            returned = rule(Dual(np.asarray(t, dtype=Z.dtype)), x, self.parameters, *more)
            components = [returned] if isinstance(returned, (Dual, Real)) else returned
            for i, component in zip(range(Z.shape[2]), components, strict=True):
                one = component if isinstance(component, Dual) else Dual(component)
                out[:, 0, i] = one.value
                if one.tangent is not None:
                    out[:, 1:, i] = one.tangent.T
        return out

    def jacobian(self, t: np.ndarray | float, x: np.ndarray) -> np.ndarray:
        """Jacobian of the rule, J[b, i, j] = d f_i / d x_j, (B, n, n)."""
        return self.field(t, with_identity(x))[:, 1:].swapaxes(1, 2)

    def size_jacobian(self, t: np.ndarray | float, x: np.ndarray) -> np.ndarray:
        """Jacobian of the size of the noise, (B, n, n)."""
        return self.size(t, with_identity(x))[:, 1:].swapaxes(1, 2)


def stack(x: np.ndarray, V: np.ndarray) -> np.ndarray:
    """States x (B, n) and vectors V (B, k, n) as one Z (B, 1 + k, n)."""
    return np.concatenate([x[:, None], V.astype(x.dtype, copy=False)], axis=1)


def with_identity(x: np.ndarray) -> np.ndarray:
    """States x (B, n) with the n unit vectors as tangents."""
    return stack(x, np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1])))
