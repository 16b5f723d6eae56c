"""Recurrent cells as dynamical systems: maps of their state, driven by inputs, autonomous, or fed with their outputs.

Row convention: h' = phi(u Wx + h Wh + b), weights (inputs, outputs), transposed against torch.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np

from fastlyap import cast, definition
from fastlyap.definition import SIZE
from fastlyap.errors import InputError
from fastlyap.networks import sequences
from fastlyap.networks.architecture import Architecture
from fastlyap.reference import cells as reference
from fastlyap.system import System


@dataclass(frozen=True, eq=False, repr=False)
class Cell(System):
    """A recurrent cell or a stack of them, with their weights; made by `rnn`, `lstm`, `gru`, `random_rnn`.

    A System of kind "map": `fl.spectrum`, `fl.vectors`, `fl.finite_time` ... take it, with `drive=` where it reads
    inputs. The state of a stack is (h_1, c_1, h_2, c_2 ...); layer l reads the new h of layer l - 1. Parameters may
    carry batch axes in front of their own shape: that many cells at once.

    Attributes
    ----------
    architecture : kind and sizes
    Others as in `System`.
    """

    architecture: Architecture = Architecture("rnn", 0, 1)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Own shape of each parameter; axes in front of it are batch axes."""
        noise = self.noise_recording
        return self.architecture.shapes | ({} if noise is None else {SIZE: noise.parameter_shapes[0]})

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of everything that decides numbers; cells with equal digests are equal."""
        h = blake2b(repr((self.name, self.architecture)).encode(), digest_size=16)
        more = (("x0", self.x0), ("directions", self.noise_directions))
        for name, value in (*self.parameters.items(), *more):
            array = np.asarray(np.nan if value is None else value, dtype=np.float64)
            h.update(f"{name}{array.shape}".encode() + array.tobytes())
        return h.hexdigest()

    def with_parameters(self, **values: Any) -> Cell:
        """The same cell with other weights; axes in front of a parameter's own shape make a batch of cells.

        Raises
        ------
        InputError
            For unknown keys, wrong shapes, and weights that are not finite, with the key.
        """
        for name in values:
            if name not in self.shapes:
                raise InputError(
                    f"`with_parameters` knows no `{name}` in {self.name}; there are: {', '.join(self.shapes)}."
                )
        return replace(self, parameters=parameters(self.shapes, {**self.parameters, **values}), known=None)

    def with_noise(self, sigma: Any, directions: Any = None) -> Cell:
        """The same cell with Gaussian noise added to its state at every step; arguments as in `System.with_noise`."""
        if self.noise_recording is not None:
            raise InputError(f"`with_noise`: {self.name} has noise already; change its parameter `{SIZE}`.")
        size = definition.noise_size(sigma, self.dim)
        return replace(
            self, parameters=MappingProxyType({**self.parameters, SIZE: size}), known=None,
            noise_recording=definition.noise(SIZE, self.state_names, {SIZE: size}),
            noise_directions=definition.directions(directions, self.dim, "directions"),
        )  # fmt: skip

    def closed_loop(self) -> Cell:
        """The autonomous cell whose input at every step is the read-out of the step before."""
        return replace(self, architecture=self.architecture.fed_back(), name=f"{self.name}_closed_loop")

    def rule(self, x: Any, t: Any = 0.0, *, u: Any = None) -> np.ndarray:
        """The next state: x (..., n) -> (..., n), with inputs u (..., m) of a driven cell; t is of no effect."""
        states, inputs = self._states(x), self._inputs(u)
        return reference.step(self.architecture, self.parameters, states, inputs)

    def jacobian(self, x: Any, t: Any = 0.0, *, u: Any = None) -> np.ndarray:
        """J[..., i, j] = d x'_i / d x_j at states x (..., n), (..., n, n); arguments as for `rule`."""
        states, inputs = self._states(x), self._inputs(u)
        return reference.jacobian(self.architecture, self.parameters, states, inputs)

    def forward(
        self, drive: Any, x0: Any = None, *, backend: str = "auto", threads: int | None = None
    ) -> sequences.Outputs:
        """Run along a drive: outputs over time, and states.

        Parameters
        ----------
        drive : (..., T, m)
            Batch axes in front broadcast against those of the weights and of x0.
        x0 : (..., n), optional
            States before the first step; the cell's own by default. `np.zeros(cell.dim)` is torch's.
        backend : "auto", "cpu" or "reference"
        threads : int, optional

        Returns
        -------
        Outputs
            `outputs (..., T, q)` of the read-out, or h of the last layer; `states (..., T, n)` after each step.

        Raises
        ------
        InputError
            For wrong shapes, and cells that read no drive.
        """
        return sequences.forward(self, drive, x0, backend, threads)

    def backward(
        self, drive: Any, cotangent: Any, x0: Any = None, *, backend: str = "auto", threads: int | None = None
    ) -> sequences.Gradients:
        """Back-propagation through time: the gradients of sum(cotangent * outputs).

        Parameters
        ----------
        drive, x0, backend, threads
            As for `forward`.
        cotangent : (..., T, q)
            Derivatives of a loss by the outputs.

        Returns
        -------
        Gradients
            `x0 (..., n)`, `drive (..., T, m)`, `parameters`: by key, of the shapes in the cell, summed over all
            sequences that share them.
        """
        return sequences.backward(self, drive, cotangent, x0, backend, threads)

    def _inputs(self, u: Any) -> np.ndarray | None:
        m = self.architecture.inputs
        if not self.architecture.driven:
            if u is not None:
                raise InputError(f"`u` must be left out: {self.name} is autonomous.")
            return None
        if u is None:
            raise InputError(f"`u` is missing: {self.name} reads {m} inputs, of shape (..., {m}).")
        array = cast.real_array("u", u)
        if array.ndim == 0 or array.shape[-1] != m:
            raise InputError(f"`u` must have shape (..., {m}) for {self.name}, got {array.shape}.")
        return array

    def to_latex(self) -> str:
        """The equations of a layer in LaTeX."""
        return _EQUATIONS[self.architecture.kind]

    def __reduce__(self):
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return _restore, ({**state, "parameters": dict(self.parameters)},)

    def __repr__(self) -> str:
        batch = np.broadcast_shapes(
            *(np.shape(v)[: np.ndim(v) - len(self.shapes[k])] for k, v in self.parameters.items())
        )
        count = sum(int(np.prod(shape)) for shape in self.shapes.values())
        many = f", batch of {batch}" if batch else ""
        return f"<{self.name}: {self.architecture}, n = {self.dim}, {count:,} parameters{many}>"


_EQUATIONS = {
    "random_rnn": r"x' = g \tanh(x) J^T",
    "rnn": r"h' = \phi(u W_x + h W_h + b)",
    "lstm": r"(a_i, a_f, a_g, a_o) = u W_x + h W_h + b, \quad c' = \sigma(a_f) c + \sigma(a_i) \tanh a_g, \quad "
            r"h' = \sigma(a_o) \tanh c'",
    "gru": r"r, z = \sigma(u W_x + h W_h + b + b_h)_{r,z}, \quad n = \tanh((u W_x + b)_n + r (h W_h + b_h)_n), \quad "
           r"h' = (1 - z) n + z h",
    "gru_original": r"r, z = \sigma(u W_x + h W_h + b)_{r,z}, \quad n = \tanh((u W_x + b)_n + (r h) W_n), \quad "
                    r"h' = (1 - z) n + z h",
}  # fmt: skip


def _restore(state: dict[str, Any]) -> Cell:
    shapes = Cell(**state).shapes
    return Cell(**{**state, "parameters": parameters(shapes, state["parameters"])})


def parameters(shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters of these own shapes, checked: read-only arrays, batch axes in front."""
    found = {}
    for name, shape in shapes.items():
        array = cast.real_array(name, given[name])
        if array.shape[max(0, array.ndim - len(shape)) :] != shape:
            told = f"(..., {', '.join(map(str, shape))})"
            raise InputError(f"`{name}` must have shape {told}, got {array.shape}; weights are (inputs, outputs).")
        array.flags.writeable = False
        found[name] = array if array.ndim else float(array)
    leads = {name: np.shape(v)[: np.ndim(v) - len(shapes[name])] for name, v in found.items()}
    try:
        np.broadcast_shapes(*leads.values())
    except ValueError:
        told = ", ".join(f"`{name}` {lead}" for name, lead in leads.items() if lead)
        raise InputError(f"the batch axes of the weights must broadcast together, got {told}.") from None
    return MappingProxyType(found)
