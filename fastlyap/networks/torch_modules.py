"""What a PyTorch module says of itself beyond its tensors, without importing torch: kinds, activations, order.

Modules are told by the names of their classes and attributes (`torch.nn.RNNBase.mode`, `torch.nn.RNNCell.nonlinearity`,
`torch.nn.LeakyReLU.negative_slope` ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fastlyap.errors import InputError
from fastlyap.networks.activations import LEAK

ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "Tanh": ("tanh", {}), "Sigmoid": ("sigmoid", {}), "ReLU": ("relu", {}), "ELU": ("elu", {"alpha": 1.0}),
    "LeakyReLU": ("leaky_relu", {"negative_slope": LEAK}), "Softplus": ("softplus", {"beta": 1.0}),
    "SiLU": ("silu", {}), "GELU": ("gelu", {"approximate": "none"}),
}  # fmt: skip
IDLE = ("Identity", "Dropout", "Flatten")  # nothing happens in them once a network is trained
READ = "RNN, GRU, LSTM, their cells, and stacks of Linear"
BY_HAND = ("Conv1d", "Conv2d", "BatchNorm1d", "BatchNorm2d", "LayerNorm")
RECURRENT = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")


class Described(NamedTuple):
    """Tensors by name; activations, one for a recurrent module or one per layer of a stack; names in order."""

    tensors: Mapping[str, Any]
    activation: str | tuple[str, ...] | None = None
    order: tuple[str, ...] | None = None


def described(value: Any, prefix: str) -> Described:
    """What is known of a module or state dict, below `prefix`.

    Raises
    ------
    InputError
        For other things than modules and mappings of names to tensors, and for modules that cannot be read.
    """
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise InputError("`module_or_state_dict` must have names as keys.")
        return Described(value)
    if not callable(getattr(value, "state_dict", None)) or not callable(getattr(value, "named_modules", None)):
        raise InputError(
            f"`module_or_state_dict` must be a torch module or its state_dict(), got {type(value).__name__}."
        )
    every = value.named_modules(remove_duplicate=False)  # one Tanh may stand at several places
    inside = [(name, module) for name, module in every if f"{name}.".startswith(prefix)]
    recurrent = [(name or "module_or_state_dict", module) for name, module in inside if _kind(module) in RECURRENT]
    if recurrent:
        return Described(value.state_dict(), _nonlinearity(recurrent))
    linear = tuple(name for name, module in inside if _kind(module) == "Linear")
    for name, module in inside:
        if name not in linear and any(True for _ in module.parameters(recurse=False)):
            told = f"`{name or 'module_or_state_dict'}` is a {type(module).__name__}, which cannot be read"
            by_hand = "; build it with fl.networks.Sequential, and set its weights by `with_parameters`"
            raise InputError(told + by_hand * (_kind(module) in BY_HAND) + f"; what can be read: {READ}.")
    stack = _sequential(inside)
    return Described(value.state_dict(), _activations(*stack) if stack else None, linear or None)


def plain(name: str, value: Any) -> np.ndarray:
    """A tensor, of any floating type and on any device, as an array; arrays as they are.

    Raises
    ------
    InputError
        For complex, sparse and quantised tensors.
    """
    if not callable(getattr(value, "detach", None)):
        return value
    if value.is_complex():
        raise InputError(f"`{name}` must hold real numbers, got {value.dtype}.")
    try:
        return np.asarray(value.detach().cpu().double().numpy())  # bfloat16 is no type of NumPy
    except (TypeError, ValueError, RuntimeError) as problem:
        raise InputError(f"`{name}` cannot be read as an array: {problem}.") from None


def _kind(module: Any) -> str:
    """The name of its class, or of the one of torch.nn that it was derived from."""
    names = [each.__name__ for each in type(module).__mro__]
    return next((name for name in names if name in (*RECURRENT, "Linear")), names[0])


def _nonlinearity(modules: list[tuple[str, Any]]) -> str | None:
    for name, module in modules:
        if getattr(module, "bidirectional", False):
            why = "they see the future and are no map of a state"
            raise InputError(f"`{name}`: bidirectional layers cannot be read; {why}.")
        if getattr(module, "proj_size", 0):
            raise InputError(f"`{name}`: projections (`proj_size`) cannot be read; train the module without.")
    first = modules[0][1]
    mode = getattr(first, "mode", "") or getattr(first, "nonlinearity", "")
    return {"RNN_TANH": "tanh", "RNN_RELU": "relu"}.get(mode, mode if mode in ("tanh", "relu") else None)


def _sequential(inside: list[tuple[str, Any]]) -> list[tuple[str, Any]] | None:
    """The leaves of a `Sequential`, in the order in which they act, or None where `forward` may do anything."""
    if not inside:
        return None
    name, module = inside[0]
    children = list(module.named_children())
    while type(module).__name__ != "Sequential" and len(children) == 1:
        name, module = f"{name}.{children[0][0]}".strip("."), children[0][1]
        children = list(module.named_children())
    if type(module).__name__ != "Sequential":
        return None
    within = [(each, part) for each, part in module.named_modules(remove_duplicate=False) if each]
    if any(list(part.children()) and type(part).__name__ != "Sequential" for _, part in within):
        return None
    return [(f"{name}.{each}".strip("."), part) for each, part in within if type(part).__name__ != "Sequential"]


def _activations(*leaves: tuple[str, Any]) -> tuple[str, ...]:
    """The activation behind each Linear layer."""
    found: list[str] = []
    for name, module in leaves:
        kind = _kind(module)
        if kind == "Linear":
            found.append("identity")
        elif kind in ACTIVATIONS and found and found[-1] == "identity":
            known, options = ACTIVATIONS[kind]
            for option, value in options.items():
                if getattr(module, option, value) != value:
                    raise InputError(f"`{name}`: {kind} must have {option}={value}, got {getattr(module, option)}.")
            found[-1] = known
        elif kind not in IDLE:
            raise InputError(
                f"`{name}` is a {kind} where a Linear layer or one of {', '.join(ACTIVATIONS)} behind it was expected."
            )
    return tuple(found)
