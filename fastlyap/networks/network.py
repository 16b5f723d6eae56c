"""Feedforward networks: evaluated and differentiated at samples, one network or a batch of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks import by_kernels, by_reference, samples
from fastlyap.networks.arena import Arena
from fastlyap.networks.passes import Backward, Descent, LossGradient
from fastlyap.networks.program import NOISE_SIZE
from fastlyap.networks.values import Values


class Network(Values):
    """Layers and their parameters; a batch of networks where parameters have axes in front of their own shape.

    Made by `Sequential`, `mlp` and the readers of weights. Samples are rows: x (..., B, width), the axes in front of
    the samples being batch axes that broadcast against those of the parameters. Never changed in place.

    Attributes
    ----------
    layers : tuple of layers
    input_shape, output_shape : of one sample
    mode : "eval" (running statistics, no dropout) or "train"
    parameters : read-only mapping of names "0.weight", "0.bias", ... to arrays; the number is the layer's
    statistics : the same of running means and variances, which are not trained
    shapes : own shapes of both
    batch_shape : of the parameters
    """

    def with_statistics_of(
        self, x: Any, *, momentum: float = 0.1, seed: int = 0, threads: int | None = None
    ) -> Network:
        """The same network with running statistics moved towards those of a batch, as one pass in train mode does.

        Parameters
        ----------
        x : array_like (..., B, *input_shape)
        momentum : float
            Weight of the batch's mean and unbiased variance; 1 replaces the running ones.
        seed, threads
            As in `forward`.

        Returns
        -------
        Network
        """
        moved = cast.real("momentum", momentum)
        net = self.train()
        found = by_kernels.statistics(net, net._given(x, seed), moved, samples.thread_count(threads))
        return self.sharing(Arena(self.shapes, {**self.arena.values, **found}), self.mode)

    def _given(self, x: Any, seed: int, **vectors: Any) -> samples.Given:
        return samples.given(self, self.arena, x, seed, **vectors)

    def forward(self, x: Any, *, seed: int = 0, threads: int | None = None, backend: str = "auto") -> np.ndarray:
        """The outputs of samples.

        Parameters
        ----------
        x : array_like (..., B, *input_shape)
        seed : int
            Of dropout's masks and of noise, which differ between members.
        threads : int
            Cores to use; default all.
        backend : str
            "auto", "cpu", or "reference" (plain NumPy).

        Returns
        -------
        ndarray (..., B, *output_shape), in front the broadcast batch axes of x and of the parameters.

        Raises
        ------
        InputError
            For inputs of a wrong shape, empty batches, a single sample for batch norm in train mode.
        """
        given = self._given(x, seed)
        if _reference(backend):
            return by_reference.forward(self, given)
        return by_kernels.forward(self, given, samples.thread_count(threads))

    def backward(
        self, x: Any, cotangent: Any, *, seed: int = 0, input: bool = True, threads: int | None = None,
        backend: str = "auto",
    ) -> Backward:  # fmt: skip
        """Adjoints of the input and of all parameters: the derivative of <cotangent, y>.

        Parameters
        ----------
        x : array_like (..., B, *input_shape)
        cotangent : array_like (..., B, *output_shape)
        input : bool
            Whether the adjoint of the input is wanted.
        seed, threads, backend
            As in `forward`.

        Returns
        -------
        Backward

        Raises
        ------
        InputError
            As `forward`, and for cotangents of a wrong shape.
        """
        given = self._given(x, seed, cotangent=cotangent)
        if _reference(backend):
            return Backward(*by_reference.backward(self, given))
        return Backward(*by_kernels.backward(self, given, samples.thread_count(threads), input))

    def loss_gradient(
        self, x: Any, loss: Any, *, seed: int = 0, input: bool = False, threads: int | None = None
    ) -> LossGradient:
        """A loss, its gradient and the outputs, in one forward and one backward pass.

        Parameters
        ----------
        x : array_like (..., B, *input_shape)
        loss : object with `value(y)` and `cotangent(y)`
            `fl.loss.cross_entropy(labels)`, `fl.loss.mse(targets)`.
        seed, input, threads
            As in `backward`.

        Returns
        -------
        LossGradient
        """
        given = self._given(x, seed)
        return LossGradient(*by_kernels.loss_gradient(self, given, loss, samples.thread_count(threads), input))

    def descend(
        self, x: Any, loss: Any, rate: float, *, seed: int = 0, threads: int | None = None
    ) -> Descent:
        """One step of gradient descent, all networks of a batch side by side: parameters - rate * gradient.

        The size of noise stays as it is.

        Parameters
        ----------
        x : array_like (..., B, *input_shape)
        loss : `fl.loss.cross_entropy(labels)` or `fl.loss.mse(targets)`
        rate : float
        seed, threads
            As in `forward`.

        Returns
        -------
        Descent

        Raises
        ------
        InputError
            As `forward`; for another loss, and for parameters that several members share.
        """
        given, rate = self._given(x, seed), cast.real("rate", rate)
        if not hasattr(loss, "laid_out"):
            raise InputError(f"`loss` must be made by fl.loss.cross_entropy or fl.loss.mse, got {type(loss).__name__}.")
        for name, value in self.parameters.items():
            if name != NOISE_SIZE and value.shape != (*given.batch, *self.shapes[name]):
                raise InputError(f"`{name}` is shared by members of the batch {given.batch}, got shape {value.shape}; "
                                 "give each its own to descend from.")  # fmt: skip
        value, moved = by_kernels.descend(self, given, loss, rate, samples.thread_count(threads))
        return Descent(self.sharing(self.arena.moved(moved), self.mode), value)

    def tangent(
        self, x: Any, v: Any, *, seed: int = 0, threads: int | None = None, backend: str = "auto"
    ) -> np.ndarray:
        """J v at the samples x.

        Parameters
        ----------
        x : array_like (..., B, *input_shape)
        v : array_like (..., B, *input_shape), or (..., B, k, *input_shape) for k tangents of each sample
            One more axis than the result of `forward` would have in front of a sample's numbers makes many.
        seed, threads, backend
            As in `forward`.

        Returns
        -------
        ndarray (..., B, *output_shape) or (..., B, k, *output_shape)
        """
        given = self._given(x, seed, v=v)
        if _reference(backend):
            return by_reference.tangent(self, given)
        return by_kernels.tangent(self, given, samples.thread_count(threads))

    def adjoint(
        self, x: Any, w: Any, *, seed: int = 0, threads: int | None = None, backend: str = "auto"
    ) -> np.ndarray:
        """J' w at the samples x; the shapes are those of `tangent` with input and output exchanged."""
        given = self._given(x, seed, w=w)
        if _reference(backend):
            return by_reference.adjoint(self, given)
        return by_kernels.adjoint(self, given, samples.thread_count(threads))

    def jacobian(self, x: Any, *, seed: int = 0, threads: int | None = None, backend: str = "auto") -> np.ndarray:
        """The Jacobian dy_i / dx_j of every sample.

        Parameters
        ----------
        x : array_like (..., B, *input_shape)
        seed, threads, backend
            As in `forward`.

        Returns
        -------
        ndarray (..., B, m, n), numbers of a sample in one row: m of the output, n of the input.

        Raises
        ------
        InputError
            Where batch norm in train mode couples the samples.
        """
        if self.program.coupled:
            raise InputError("`jacobian` of one sample does not exist in train mode, where batch norm couples the "
                             "samples; use `net.eval()`, or `tangent` with perturbations of all samples.")  # fmt: skip
        n, m = math.prod(self.input_shape), math.prod(self.output_shape)
        x = np.asarray(x)
        samples_axis = x.ndim - len(self.input_shape)
        front = (1,) * max(samples_axis, len(self.batch_shape) + 1)
        if n <= m:
            unit = np.eye(n).reshape(*front, n, *self.input_shape)
            found = self.tangent(x, unit, seed=seed, threads=threads, backend=backend)
            return np.swapaxes(found.reshape(*found.shape[: len(front)], n, m), -1, -2)
        unit = np.eye(m).reshape(*front, m, *self.output_shape)
        found = self.adjoint(x, unit, seed=seed, threads=threads, backend=backend)
        return found.reshape(*found.shape[: found.ndim - len(self.input_shape)], n)

    def tape(self, x: Any, *, seed: int = 0, threads: int | None = None) -> tuple[np.ndarray, ...]:
        """The outputs of all layers, in their order, with batch and sample axes in front."""
        return by_kernels.tape(self, self._given(x, seed), samples.thread_count(threads))

    def cotape(self, x: Any, w: Any, *, seed: int = 0, threads: int | None = None) -> tuple[np.ndarray, ...]:
        """The covector w at the output, pulled back to the outputs of all layers, in their order."""
        return by_kernels.cotape(self, self._given(x, seed, w=w), samples.thread_count(threads))


def _reference(backend: str) -> bool:
    return cast.choice("backend", backend, ("auto", "cpu", "reference")) == "reference"
