"""A rule with its parameters and how it is stepped, and the rule evaluated on states with tangents.

Everywhere in this folder Z (B, 1 + k, n) stacks a state (row 0) and k tangent vectors (rows 1 ..) per member. A
linear combination of such stacks is the combination of states and its exact tangent at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import numpy as np

from fastlyap.reference.dual import Dual
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

    @cached_property
    def _parameters(self) -> View:
        return parameters(self.p, self.parameter_names, self.parameter_shapes)

    def field(self, t: np.ndarray | float, Z: np.ndarray) -> np.ndarray:
        """The rule and its Jacobian-vector products: f(x) and f_x(x) v of each vector, (B, 1 + k, n)."""
        x = View(self.state_names, [Dual(Z[:, 0, i], Z[:, 1:, i].T) for i in range(Z.shape[2])])
        out = np.zeros_like(Z)
        with np.errstate(all="ignore"):
            returned = self.rule(Dual(np.asarray(t, dtype=Z.dtype)), x, self._parameters)
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


def stack(x: np.ndarray, V: np.ndarray) -> np.ndarray:
    """States x (B, n) and vectors V (B, k, n) as one Z (B, 1 + k, n)."""
    return np.concatenate([x[:, None], V.astype(x.dtype, copy=False)], axis=1)


def with_identity(x: np.ndarray) -> np.ndarray:
    """States x (B, n) with the n unit vectors as tangents."""
    return stack(x, np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1])))
