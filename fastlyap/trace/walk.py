"""Print loops over places: the text that opens a loop, reads what its body needs, and goes on to the next step.

What does not change in a loop is read before it; neighbours that a loop reads one after the other stay in
registers; irregular places are read from constant arrays of the module.
"""

from collections.abc import Callable, Sequence

import numpy as np

from fastlyap.trace.reroll import Loop

WINDOW = 4  # neighbours further apart than this are read again

Store = Callable[[str, str], list[str]]  # (place, value) -> the lines that write a result


class Tables:
    """The constant arrays of a generated module."""

    def __init__(self) -> None:
        self.names: dict[tuple, str] = {}
        self.text = ""

    def add(self, values: np.ndarray) -> str:
        """The name of an array with these values."""
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self.names:
            self.names[key] = name = f"T{len(self.names)}"
            self.text += f"{name} = np.array({values.tolist()!r}, dtype=np.{values.dtype.name})\n"
        return self.names[key]


class Code:
    """The lines of one function, which reads the rows `vector`."""

    def __init__(self, vector: str, tables: Tables, store: Store) -> None:
        self.vector, self.tables, self.store = vector, tables, store
        self.lines: list[str] = []
        self.depth = 0
        self.loops = 0

    def add(self, *lines: str) -> None:
        """Add lines at the present depth."""
        self.lines += ["    " * self.depth + line for line in lines]

    def block(self, header: str) -> None:
        """Add a line that opens a block; the caller sets `depth` back."""
        self.add(header)
        self.depth += 1

    def tag(self) -> str:
        """A suffix for the names of one loop, since a name must keep its type in the whole function."""
        self.loops += 1
        return f"_{self.loops}"

    def read(self, kind: str, place: str) -> str:
        """The expression that reads a place; a kind that is no letter names a table of constants."""
        arrays = {"v": self.vector, "r": "J", "p": "P"}
        if kind not in arrays:
            return f"like(z, {kind}[{place}])"
        return f"{arrays[kind]}[{'o + ' * (kind == 'r')}{place}]"

    def write(self, kind: str, place: str, value: str) -> None:
        """Write a value to a row of the block or to the result."""
        self.add(*([f"J[o + {place}] = {value}"] if kind == "r" else self.store(place, value)))


def affine(base: int | str, stride: int, step: str) -> str:
    """The text of base + stride * step."""
    if stride == 0:
        return str(base)
    if isinstance(base, int) and step.isdigit():
        return str(base + stride * int(step))
    term = step if stride == 1 else f"{stride} * {step}"
    return term if base == 0 else f"{term} + {base}"


class Walk:
    """One `Loop` being printed. `kinds` tells what is read in each column, None where nothing is.

    Columns of the kinds `steady` are not written in the loop, so they may be read ahead.
    """

    def __init__(
        self, code: Code, loop: Loop, kinds: Sequence[str | None], steady: Sequence[str], *, windows: bool = True
    ) -> None:
        self.code, self.loop, self.kinds, self.tag = code, loop, kinds, code.tag()
        self.step = f"g{self.tag}"
        self.bases: list[int | str] = loop.bases[0].tolist()
        self.strides = loop.strides.tolist()
        self.long = not np.all(loop.lengths == 1)
        self.length = str(loop.lengths[0])
        readable = [c for c, kind in enumerate(kinds) if kind is not None]
        self.before = [c for c in readable if kinds[c] in steady and self._is_fixed(c)]
        neighbours = [c for c in readable if kinds[c] in steady and c not in self.before and windows]
        self.windows = self._find_windows(neighbours)
        in_windows = {c for window in self.windows for _, c in window}
        self.direct = [c for c in readable if c not in self.before and c not in in_windows]
        self.names = {c: f"a{self.tag}_{c}" for c in readable}
        for w, window in enumerate(self.windows):
            self.names |= {c: self._register(w, ahead) for ahead, c in window}

    def _is_fixed(self, c: int) -> bool:
        return self.strides[c] == 0 and bool(np.all(self.loop.bases[:, c] == self.loop.bases[0, c]))

    def _register(self, window: int, ahead: int) -> str:
        return f"q{self.tag}_{window}_{ahead}"

    def _find_windows(self, columns: Sequence[int]) -> list[list[tuple[int, int]]]:
        """Columns that read neighbours of one array one after the other, as lists of (steps ahead, column)."""
        families: dict[int, list[tuple[int, int]]] = {}
        for c in columns if self.long else ():
            for leader, found in families.items():
                offset = self.loop.bases[:, c] - self.loop.bases[:, leader]
                same = self.kinds[c] == self.kinds[leader] and self.strides[c] == self.strides[leader]
                if same and np.all(offset == offset[0]) and offset[0] % self.strides[c] == 0:
                    found.append((int(offset[0]) // self.strides[c], c))
                    break
            else:
                if self.strides[c]:
                    families[c] = [(0, c)]
        windows = [window for found in families.values() for window in _clusters(sorted(found))]
        return [[(ahead - window[0][0], c) for ahead, c in window] for window in windows if len(window) > 1]

    def read_before(self) -> None:
        """Read what is the same in all runs."""
        for c in self.before:
            self.code.add(f"{self.names[c]} = {self.code.read(self.kinds[c], str(self.bases[c]))}")

    def open_runs(self, runs: str | None = None) -> None:
        """The loop over runs, unless there is one only; `runs` is a range in their table, "" for no loop."""
        bases = self.loop.bases
        if runs == "" or (runs is None and len(bases) == 1):
            return
        self.code.block(f"for r{self.tag} in range({runs or len(bases)}):")
        found, names = [], []
        for c in range(bases.shape[1]):
            if np.all(bases[:, c] == bases[0, c]):
                continue
            leader = next((i for i, _ in found if _same_shape(bases[:, c], bases[:, i])), None)
            if leader is not None:
                self.bases[c] = affine(int(bases[0, c] - bases[0, leader]), 1, f"b{self.tag}_{leader}")
                continue
            self.bases[c] = f"b{self.tag}_{c}"
            found.append((c, bases[:, c]))
            names.append(self.bases[c])
        if np.any(self.loop.lengths != self.loop.lengths[0]):
            self.length = f"n{self.tag}"
            found.append((-1, self.loop.lengths))
            names.append(self.length)
        if found:
            table = self.code.tables.add(np.array([column for _, column in found]).T)
            self.code.add(*[f"{name} = {table}[r{self.tag}, {i}]" for i, name in enumerate(names)])

    def read_ahead(self) -> None:
        """Fill the registers of neighbours for the first step of a run."""
        for w, window in enumerate(self.windows):
            for ahead in range(window[-1][0]):
                self.code.add(f"{self._register(w, ahead)} = {self._read(window[0][1], str(ahead))}")

    def open_steps(self, steps: str | None = None) -> None:
        """The loop inside a run."""
        if self.long:
            self.code.block(f"for {self.step} in range({steps or self.length}):")

    def read(self, step: str | None = None) -> None:
        """Read what a step needs."""
        for c in [*self.direct, *[window[-1][1] for window in self.windows]]:
            self.code.add(f"{self.names[c]} = {self._read(c, step)}")

    def _read(self, c: int, step: str | None = None) -> str:
        return self.code.read(self.kinds[c], self.place(c, step))

    def place(self, c: int, step: str | None = None) -> str:
        """The text of a column's place."""
        return affine(self.bases[c], self.strides[c] if self.long else 0, step or self.step)

    def go_on(self) -> None:
        """Pass the neighbours on to the next step."""
        for w, window in enumerate(self.windows):
            for ahead in range(window[-1][0]):
                self.code.add(f"{self._register(w, ahead)} = {self._register(w, ahead + 1)}")


def _same_shape(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.all(a - b == a[0] - b[0]))


def _clusters(found: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Split sorted (steps ahead, column) where neighbours are far apart."""
    clusters: list[list[tuple[int, int]]] = []
    for ahead, c in found:
        if not clusters or ahead - clusters[-1][-1][0] > WINDOW:
            clusters.append([])
        clusters[-1].append((ahead, c))
    return clusters
