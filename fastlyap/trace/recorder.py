"""Record a rule: run it once on expressions instead of numbers and keep the graph of what it returned.

The body is ordinary Python; what it does with plain numbers happens now, what it does with the state, the
parameters or the time is recorded. It runs twice, and must give the same graph both times.
"""

from __future__ import annotations

import functools
import os
import types
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.trace.expressions import Expr, lift
from fastlyap.trace.graph import Node, alive, digest_of, flatten, leaf, topological, unflatten
from fastlyap.trace.views import View, count, parameter_view, state_view

LONGEST_SUM = 100_000
_OURS = tuple(str(folder) + os.sep for folder in (Path(__file__).parent.parent, Path(np.__file__).parent))


@dataclass(frozen=True)
class Recording:
    """A recorded rule. The flat parameter vector is the concatenation of the raveled parameters in order.

    dim : number of states; outputs : nodes, one per component; digest : hex, over the outputs only.
    delays : how many earlier times the rule looks at; x[n + d n + i] is state i at the d-th of them.
    """

    dim: int
    outputs: tuple[Node, ...] = field(repr=False)
    parameter_names: tuple[str, ...]
    parameter_shapes: tuple[tuple[int, ...], ...]
    delays: int = 0
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(self.outputs))

    @property
    def inputs(self) -> int:
        """How many states the rule reads, delayed ones included."""
        return self.dim * (1 + self.delays)

    @functools.cached_property
    def ops(self) -> Counter[str]:
        """How many nodes of each kind there are."""
        return Counter(node.op for node in topological(self.outputs))

    @property
    def n_parameters(self) -> int:
        """Length of the flat parameter vector."""
        return sum(int(np.prod(shape, dtype=int)) for shape in self.parameter_shapes)

    def __reduce__(self):
        return _rebuild, (self.dim, flatten(self.outputs), self.parameter_names, self.parameter_shapes, self.delays)


def _rebuild(dim: int, flat: tuple, names: tuple, shapes: tuple, delays: int) -> Recording:
    return Recording(dim, unflatten(*flat), names, shapes, delays)


def record(
    rule: Callable,
    *,
    state_names: Sequence[str],
    parameters: Mapping[str, Any],
    components: int | tuple[int, ...] | None = None,
    delay: str | tuple[str, ...] | None = None,
) -> Recording:
    """Record `rule(t, x, p)`.

    Parameters
    ----------
    rule : callable
        Returns one value per state (or as many as `components` allows), from the fl.math functions and operators.
    state_names : names of the components of `x`
    parameters : name -> default; only the shapes matter here
    components : how many values the rule returns; the number of states by default
    delay : name of a parameter, or a tuple of names: the delays of `x.delayed`, or of its items

    Raises
    ------
    InputError
        If it cannot be recorded; the message quotes the file and line of the rule.
    """
    shapes = tuple(np.shape(value) for value in parameters.values())
    t, x, p = Expr(leaf("t")), state_view(state_names, delay), parameter_view(tuple(parameters), shapes)
    allowed = (components,) if isinstance(components, int) else components or (len(state_names),)
    first, second = (_outputs(rule, (t, x, p), allowed) for _ in range(2))
    if digest_of(first) != digest_of(second):
        raise InputError(
            f"the rule {_name(rule)} records differently the second time; it must depend on t, x and p only: no "
            "random numbers, counters or other changing state. For noise use `noise=`."
        )
    _refuse_long_sums(first, rule)
    return Recording(len(state_names), first, tuple(parameters), shapes, count(delay))


def _outputs(rule: Callable, arguments: tuple, allowed: tuple[int, ...]) -> tuple[Node, ...]:
    try:
        returned = rule(*arguments)
        values = _components(returned)
        nodes = tuple(lift(value) for value in values)
    except RecursionError as error:
        raise InputError(f"the rule {_name(rule)} calls itself without end{_place(error, rule)}.") from error
    except InputError as error:
        raise InputError(f"{error} In the rule {_name(rule)}{_place(error, rule)}.") from None
    except Exception as error:
        if isinstance(error, TypeError) and error.__traceback__.tb_next is None:
            raise InputError(f"the rule {_name(rule)} must be a function rule(t, x, p): {error}.") from error
        raise InputError(
            f"the rule {_name(rule)} raised {type(error).__name__}: {error}{_place(error, rule)}."
        ) from error
    if len(nodes) not in allowed:
        expected = " or ".join(map(str, allowed))
        raise InputError(
            f"the rule {_name(rule)} must return {expected} value(s), one per state, got "
            f"{len(nodes)}{_place(None, rule)}."
        )
    return nodes


def _components(returned: Any) -> tuple:
    if returned is None:
        raise InputError("the rule returned None; return one value per state.")
    if isinstance(returned, (dict, set, str)):
        raise InputError(f"a rule must return a tuple, one value per state, got {type(returned).__name__}.")
    if isinstance(returned, np.ndarray):
        if returned.ndim > 1:
            raise InputError(f"a rule must return one value per state, got an array of shape {returned.shape}.")
        return tuple(returned) if returned.ndim else (returned[()],)
    if isinstance(returned, (tuple, list, View, types.GeneratorType, map)):
        return tuple(returned)
    return (returned,)


def _name(rule: Callable) -> str:
    return f"`{getattr(rule, '__name__', type(rule).__name__)}`"


def _place(error: BaseException | None, rule: Callable) -> str:
    """' (file, line n)': the user's line that failed, else the line where the rule begins."""
    trace, found = error.__traceback__ if error else None, None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_OURS):
            found = (file, trace.tb_lineno)
        trace = trace.tb_next
    code = getattr(rule, "__code__", None)
    if found is None and code is not None:
        found = (code.co_filename, code.co_firstlineno)
    return f" ({found[0]}, line {found[1]})" if found else ""


def _refuse_long_sums(outputs: Sequence[Node], rule: Callable) -> None:
    if alive() < LONGEST_SUM:
        return  # nothing that long exists
    links = sum(1 for node in topological(outputs) if node.op == "add" and node.args[0].op == "add")
    if links > LONGEST_SUM:
        raise InputError(
            f"the rule {_name(rule)} adds {links} terms one by one, more than {LONGEST_SUM}; use fl.math.sum(terms), "
            "which is one reduction."
        )
