"""PyTorch: an average over a chaotic run inside a loss, its gradient by a method that survives chaos."""

from __future__ import annotations

import functools
import math
from types import GenericAlias
from typing import Any

from fastlyap.bridges.observable import Observable
from fastlyap.labels import import_extra


def mean_observable(system: Any, objective: Any, *, untrusted: str = "warn", **fixed: Any) -> TorchObservable:
    """An objective of a system's runs as a PyTorch function of its parameters.

    Parameters
    ----------
    system : System, recurrent cell or network
    objective : fl.average(fn), fl.terminal(fn), a loss of a network, or a tuple
    untrusted : "warn", "raise" or "nan"
        What to do about members that failed or whose gradient a check doubts: warn, raise `fl.MemberError`, or make
        the gradient NaN without a word.
    **fixed : other arguments of `fl.gradient`
        `method=`, `steps=`, `transient=`, `members=`, `seed=` ...; `parameters=` and `x0=` of what calls do not name.

    Returns
    -------
    TorchObservable
        A function of tensors by name, `observable(rho=rho)`: each of shape (..., own shape of the parameter), whose
        batch axes broadcast; "x0" (..., n) may be among them. It returns a tensor of the batch shape, or a tuple for a
        tuple of objectives. `observable(rho=rho, seed=3)` draws other starts and other noise.

    Raises
    ------
    InputError
        For wrong arguments.
    ImportError
        Without PyTorch: pip install "fastlyap[torch]".

    Notes
    -----
    Value and gradient come from one run on the CPU, during the forward pass; going backward costs nothing. The
    operator is `torch.ops.fastlyap.mean_observable`; it works under `torch.compile` and `torch.func.vmap`, not under
    `torch.func.grad`, which takes no custom operators. Gradients of `fl.Shadowing` and others are those of the
    long-time average, not of the finite run, so that finite differences (`torch.autograd.gradcheck`) agree for
    `fl.Backprop` alone. Second derivatives are refused.
    """
    return TorchObservable(system, objective, untrusted, fixed)


class TorchObservable(Observable):
    """What `mean_observable` returns; `last` is the `Gradient` of the last call, with errors and statuses."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._torch, self._op = import_extra("torch", "torch"), _operator()

    def __call__(self, *, seed: int | None = None, **tensors: Any) -> Any:
        torch, names = self._torch, self.names(tensors)
        given = [torch.as_tensor(tensors[name]) for name in names]
        dtype = functools.reduce(torch.promote_types, [one.dtype for one in given])
        if not dtype.is_floating_point:
            dtype = torch.float64
        batch, _ = self.shapes(names, [one.shape for one in given])
        given = [one.to(dtype).expand((*batch, *self.own(name))) for name, one in zip(names, given, strict=True)]
        value, _ = self._op(given, ",".join(names), self.key, -1 if seed is None else seed)
        return tuple(value.unbind(0)) if self.several else value[0]


@functools.cache
def _operator() -> Any:
    """The operator, registered at the first use: values, and their gradients for the way back."""
    torch = import_extra("torch", "torch")
    back = _backward_operator()

    def mean_observable(arrays, names, key, seed):
        where = arrays[0]
        numbers = [one.detach().cpu().double().numpy() for one in arrays]
        value, rows = Observable.of(key).run(names.split(","), numbers, None if seed < 0 else seed)
        return tuple(torch.as_tensor(each, dtype=where.dtype, device=where.device) for each in (value, rows))

    def keep(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.shapes = [one.shape for one in inputs[0]]
        ctx.own = [Observable.of(inputs[2]).own(name) for name in inputs[1].split(",")]
        ctx.save_for_backward(output[1])

    def backward(ctx: Any, by_value: Any, _: Any) -> Any:
        if by_value is None:
            return [None] * len(ctx.shapes), None, None, None
        whole = back(by_value, ctx.saved_tensors[0])
        parts = whole.split([math.prod(own) for own in ctx.own], dim=-1)
        return [part.reshape(shape) for part, shape in zip(parts, ctx.shapes, strict=True)], None, None, None

    arguments = {"arrays": GenericAlias(list, (torch.Tensor,)), "names": str, "key": int, "seed": int}
    op = _registered(mean_observable, arguments, 2)
    op.register_fake(_shapes)
    op.register_autograd(backward, setup_context=keep)
    op.register_vmap(lambda info, in_dims, arrays, names, key, seed: (
        op(_in_front(info, in_dims[0], arrays, 0), names, key, seed), (1, 1)))  # fmt: skip
    return op


def _backward_operator() -> Any:
    """The operator that weights the gradients, without a rule of its own: second derivatives are an error, not 0."""
    torch = import_extra("torch", "torch")

    def mean_observable_backward(by_value, rows):
        return (by_value[..., None] * rows).sum(0)

    op = _registered(mean_observable_backward, {"by_value": torch.Tensor, "rows": torch.Tensor}, 1)
    op.register_fake(lambda by_value, rows: torch.empty_like(rows[0]))
    op.register_vmap(lambda info, in_dims, *given: (op(*_in_front(info, in_dims, given, 1)), 0))
    return op


def _registered(function: Any, arguments: dict[str, Any], results: int) -> Any:
    """A function as an operator of PyTorch, which reads types of arguments and results from annotations."""
    torch = import_extra("torch", "torch")
    made = torch.Tensor if results == 1 else GenericAlias(tuple, (torch.Tensor,) * results)
    function.__annotations__ = {**arguments, "return": made}
    return torch.library.custom_op(f"fastlyap::{function.__name__}", function, mutates_args=())


def _shapes(arrays: Any, names: str, key: int, seed: int) -> Any:
    """Results of the right shapes without a run."""
    observable = Observable.of(key)
    batch, width = observable.shapes(names.split(","), [one.shape for one in arrays])
    value = arrays[0].new_empty((observable.count, *batch))
    return value, arrays[0].new_empty((observable.count, *batch, width))


def _in_front(info: Any, in_dims: Any, tensors: Any, place: int) -> list[Any]:
    """The tensors of a vmapped call with the mapped axis at this place."""
    moved = [one.expand(info.batch_size, *one.shape) if at is None else one.movedim(at, 0)
             for one, at in zip(tensors, in_dims, strict=True)]  # fmt: skip
    return [one.movedim(0, place) for one in moved]
