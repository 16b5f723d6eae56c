"""Objectives that are compiled functions of the user: called where they lie, one member at a time.

A module with such functions stays in this process; see `trace.foreign`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from fastlyap.trace.foreign import jitted
from fastlyap.trace.printer import function


@dataclass(frozen=True)
class ForeignObjective:
    """fn(x, p) -> number and slope(x, p, out), which fills out with the derivatives by x and by p; p is flat.

    n, size : numbers of states and of flat parameters; explicit : whether fn depends on p by itself; why : it was not
    recorded; columns : of the parameters that are differentiated by; dim : with them
    """

    fn: Callable
    slope: Callable | None
    n: int
    size: int
    explicit: bool = False
    why: str = ""
    columns: tuple[int, ...] = ()

    @property
    def dim(self) -> int:
        return self.n + len(self.columns)

    def on(self, columns: Sequence[int]) -> ForeignObjective:
        """The objective on the augmented state."""
        return replace(self, columns=tuple(columns))

    def functions(self, j: int) -> tuple[tuple[str, Callable], ...]:
        """What the text of objective j expects among its globals."""
        found = [(f"user_phi{j}", self.fn)]
        return tuple(found if self.slope is None else [*found, (f"user_slope{j}", self.slope)])

    def value(self, j: int) -> str:
        """The expression of objective j at the state in the rows S."""
        return f"user_phi{j}({self._given})"

    @property
    def _given(self) -> str:
        return f"slot(S, 0, {self.n}), slot(P, 0, {self.size})"

    def slopes(self, j: int, far: int, o: int | str, *, by_state: bool = False) -> list[str]:
        """Lines that add its derivatives by columns, and by the state, to the vector at row `o`; scratch at `far`."""
        if self.slope is None:
            return []
        n, rows = self.n, self.n + self.size
        start = [f"D = slot(W, {far}, {rows})", f"for i in range({rows}):", "    D[i] = 0.0",
                 f"user_slope{j}({self._given}, D)"]  # fmt: skip
        moved = [f"S[{o} + {n + i}] = S[{o} + {n + i}] + weight * D[{n + at}]" for i, at in enumerate(self.columns)]
        along = [f"for i in range({n}):", f"    S[{o} + i] = S[{o} + i] + weight * D[i]"] if by_state else []
        return [*start, *along, *moved]

    def printed(self, j: int, count: int, far: int) -> tuple[str, int]:
        """Its value, and its covectors added to every count-th of the frame; and the rows of scratch that takes."""
        lines = self.slopes(j, far, "o", by_state=True)
        each = [f"for c in range({j}, k, {count}):", f"    o = {self.dim + 1} + c * {self.dim}"]
        body = lines[:4] + each + ["    " + line for line in lines[4:]] if lines else ["pass"]
        text = function(f"phi{j}_value", "t, S, P, W", [], self.value(j))
        return text + function(f"phi{j}_feed", "t, weight, S, k, P, W", body, None), self.n + self.size


@functools.lru_cache(maxsize=64)
def load(text: str, functions: tuple[tuple[str, Any], ...]) -> ModuleType:
    """The module of this text and these functions, made once per process."""
    module = ModuleType(f"fastlyap_objectives_{hash((text, functions)):x}")
    module.__dict__.update({name: jitted(one) for name, one in functions})
    text = text.replace("import entry, kernel", "import entry_in_process as entry, kernel", 1)
    exec(compile(text, f"<{module.__name__}>", "exec"), module.__dict__)
    return module


def expected(objectives: Sequence[Any]) -> tuple[tuple[str, Callable], ...]:
    """All functions that the text of these objectives expects."""
    found: list[tuple[str, Callable]] = []
    for j, one in enumerate(objectives):
        found += one.functions(j) if isinstance(one, ForeignObjective) else ()
    return tuple(found)
