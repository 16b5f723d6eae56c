"""What a recurrent cell is made of: its kind, its sizes, and how parameters and states are called and laid out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks.activations import activation


class Kind(NamedTuple):
    """gates : columns of the weights in units of the hidden size; states : names of the vectors a layer keeps."""

    gates: int
    states: tuple[str, ...]


KINDS = {
    "rnn": Kind(1, ("h",)),
    "lstm": Kind(4, ("h", "c")),
    "gru": Kind(3, ("h",)),
    "gru_original": Kind(3, ("h",)),
    "random_rnn": Kind(1, ("x",)),
}


@dataclass(frozen=True)
class Architecture:
    """Kind and sizes of a stack of recurrent layers.

    Attributes
    ----------
    kind : one of `KINDS`
    inputs, hidden, layers : numbers of inputs of the first layer, of hidden units of each, of layers
    outputs : width of the dense read-out of the last layer's h; 0 without
    activation : of "rnn" and "random_rnn"; "tanh" for the others
    closed : whether the read-out is fed back as the next input
    """

    kind: str
    inputs: int
    hidden: int
    layers: int = 1
    outputs: int = 0
    activation: str = "tanh"
    closed: bool = False

    def __post_init__(self) -> None:
        cast.choice("kind", self.kind, tuple(KINDS))
        if isinstance(self.hidden, (tuple, list)):
            raise InputError(
                f"`hidden` must be one whole number, the units of every layer, got {self.hidden!r}: stacks of "
                "different sizes are not supported."
            )
        for name, least in (("inputs", 0), ("hidden", 1), ("layers", 1), ("outputs", 0)):
            cast.count(name, getattr(self, name), least)
        activation(self.activation)

    @property
    def gates(self) -> int:
        """Columns of the weights, in units of the hidden size."""
        return KINDS[self.kind].gates

    @property
    def dim(self) -> int:
        """Number of states n."""
        return self.layers * self.hidden * len(KINDS[self.kind].states)

    @property
    def driven(self) -> bool:
        """Whether an input is read at every step."""
        return self.inputs > 0 and not self.closed

    @property
    def width(self) -> int:
        """Numbers that come out at every step: of the read-out, else of the last layer's h."""
        return self.outputs or self.hidden

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Own shape of each parameter, in their order."""
        H, G = self.hidden, self.gates * self.hidden
        if self.kind == "random_rnn":
            return {"g": (), "0.hidden": (H, H)}
        found: dict[str, tuple[int, ...]] = {}
        for layer in range(self.layers):
            m = H if layer else self.inputs
            if m:
                found[f"{layer}.input"] = (m, G)
            found[f"{layer}.hidden"] = (H, G)
            found[f"{layer}.bias"] = (G,)
            if self.kind == "gru":
                found[f"{layer}.hidden_bias"] = (G,)
        if self.outputs:
            found["readout.weight"], found["readout.bias"] = (H, self.outputs), (self.outputs,)
        return found

    @property
    def state_names(self) -> tuple[str, ...]:
        """h0, h1 ..., c0, c1 ... of one layer; h1_0, h1_1 ..., c1_0 ..., h2_0 ... of stacks."""
        return tuple(
            f"{letter}{layer + 1}_{i}" if self.layers > 1 else f"{letter}{i}"
            for layer in range(self.layers)
            for letter in KINDS[self.kind].states
            for i in range(self.hidden)
        )

    def fed_back(self) -> Architecture:
        """The same with its read-out as input."""
        if self.closed or not self.inputs:
            raise InputError("`closed_loop` needs a cell that reads a drive; this one is autonomous already.")
        if self.outputs != self.inputs:
            told = f"{self.outputs} outputs" if self.outputs else "no read-out"
            raise InputError(
                f"`closed_loop` needs a read-out as wide as the inputs, `readout.weight` of shape ({self.hidden}, "
                f"{self.inputs}), got {told}; make the cell with outputs={self.inputs}."
            )
        return replace(self, closed=True)

    def __str__(self) -> str:
        sizes = f"{self.inputs} -> " * (self.inputs > 0) + " -> ".join([str(self.hidden)] * self.layers)
        return sizes + f" -> {self.outputs}" * (self.outputs > 0) + ", closed loop" * self.closed
