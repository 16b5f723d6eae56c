"""Print a recorded rule as functions on rows: one loop for each template (state dimension > 8).

The functions and their signatures are those of `fastlyap.kernel.model.Model`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastlyap.trace.graph import topological
from fastlyap.trace.printer import Body, function, number
from fastlyap.trace.reroll import Group, Loop, Template, roll, roll_segments
from fastlyap.trace.staging import divide, values_alone
from fastlyap.trace.walk import Code, Store, Tables, Walk, affine

CHAINS = 4  # sums of many cheap terms run in so many chains
CHEAP = ("add", "sub", "mul", "neg")


class Columns(NamedTuple):
    """The places that expressions of one template read.

    kinds : for each column of `table` "v", "r", "p" or the name of a table of constants; slots : which slot it is;
    literals : {slot: text} of constants that do not differ
    """

    kinds: list[str]
    table: np.ndarray
    slots: list[int]
    literals: dict[int, str]

    def names(self, walk: Walk, first: int = 0) -> dict[int, str]:
        """What the slots are called in a loop whose column `first` is the first of these."""
        return self.literals | {s: walk.names[first + i] for i, s in enumerate(self.slots)}


def columns_of(template: Template, rows: Sequence[tuple], n: int, tables: Tables) -> Columns:
    """The columns of a template's slots, whose values are the `rows`."""
    kinds, columns, slots, literals = [], [], [], {}
    for s, kind in enumerate(template.kinds):
        values = np.array([row[s] for row in rows], dtype=np.float64 if kind == "c" else np.int64)
        if kind == "c" and len(np.unique(values.view(np.int64))) == 1:
            literals[s] = number(rows[0][s], "z")
            continue
        if kind == "c":
            kind, values = tables.add(values), np.arange(len(values))
        kinds.append(kind)
        columns.append(values - n if kind == "r" else values)
        slots.append(s)
    table = np.array(columns, dtype=np.int64).reshape(len(columns), len(rows)).T
    return Columns(kinds, table, slots, literals)


def _expressions(code: Code, template: Template, names: dict[int, str], prefix: str) -> list[str]:
    """Print a template on named slots; what its values are called."""
    body = Body("z", prefix=prefix, slots=names)
    body.print_all(template.nodes)
    code.add(*body.lines)
    return [body.name(node) for node in template.nodes]


def print_group(code: Code, found: Group, n: int) -> None:
    """The loops of one group."""
    if found.is_sum:
        _print_sums(code, found, n)
        return
    template = found.parts[0]
    columns = columns_of(template, [slots[0][0] for _, slots in found.sites], n, code.tables)
    targets = _targets(found, n)
    first = targets.shape[1]
    steady = ["v", "p"] if found.ordered else ["v", "p", "r"]
    for loop in roll(np.concatenate([targets, columns.table], axis=1), ordered=found.ordered):
        depth = code.depth
        walk = Walk(code, loop, [*[None] * first, *columns.kinds], steady)
        walk.read_before()
        walk.open_runs()
        walk.read_ahead()
        walk.open_steps()
        walk.read()
        values = _expressions(code, template, columns.names(walk, first), f"u{walk.tag}_")
        for c, (kind, value) in enumerate(zip(found.target_kinds, values, strict=True)):
            code.write(kind, walk.place(c), value)
        walk.go_on()
        code.depth = depth


def _targets(found: Group, n: int) -> np.ndarray:
    targets = np.array([targets for targets, _ in found.sites], dtype=np.int64)
    return targets - [n if kind == "r" else 0 for kind in found.target_kinds]


def _print_sums(code: Code, found: Group, n: int) -> None:
    """Sums of many terms: a loop over the sums, in it for each template loops over its terms."""
    depth, tag, count = code.depth, code.tag(), len(found.sites)
    total, outer = f"s{tag}", f"g{tag}"
    targets = _targets(found, n)[:, 0]
    target = str(targets[0])
    if count > 1:
        code.block(f"for {outer} in range({count}):")
        regular = np.all(np.diff(targets) == targets[1] - targets[0])
        target = affine(int(targets[0]), int(targets[1] - targets[0]), outer)
        if not regular:
            code.add(f"t{tag} = {code.tables.add(targets)}[{outer}]")
            target = f"t{tag}"
    code.add(f"{total} = like(z, 0.0)")
    for p, template in enumerate(found.parts):
        lists = [slots[p] for _, slots in found.sites]
        columns = columns_of(template, [row for rows in lists for row in rows], n, code.tables)
        for walk, runs in _walks(code, template, columns, [len(rows) for rows in lists], outer):
            inside = code.depth
            _accumulate(code, walk, runs, template, columns, total)
            code.depth = inside
    code.write(found.target_kinds[0], target, total)
    code.depth = depth


def _walks(
    code: Code, template: Template, columns: Columns, counts: Sequence[int], outer: str
) -> list[tuple[Walk, str | None]]:
    """The loops over the terms of one template in each of several sums, and the range of runs in them."""
    table, sums, terms = columns.table, len(counts), counts[0]

    def walk(loop: Loop) -> Walk:
        return Walk(code, loop, columns.kinds, ["v", "p", "r"], windows=not _is_cheap(template))

    if sums == 1:
        return [(walk(loop), None) for loop in roll(table)]
    if min(counts) == max(counts):
        grid = table.reshape(sums, terms, table.shape[1])
        along = grid[0, -1] - grid[0, -2] if terms > 1 else 0 * grid[0, 0]
        across = grid[1, 0] - grid[0, 0]
        plan = grid[0, 0] + np.arange(sums)[:, None, None] * across + np.arange(terms)[:, None] * along
        if np.array_equal(plan, grid):
            made = walk(Loop(grid[:, 0], np.full(sums, terms), along))
            starts = zip(grid[0, 0].tolist(), across.tolist(), strict=True)
            made.bases = [affine(base, stride, outer) if stride else base for base, stride in starts]
            return [(made, "")]
    starts = np.concatenate([[0], np.cumsum(counts)])
    loop, first = roll_segments(table, starts[:-1].tolist())
    name = code.tables.add(first)
    return [(walk(loop), f"{name}[{outer}], {name}[{outer} + 1]")]


def _is_cheap(template: Template) -> bool:
    """Whether an expression is faster than the addition of its value to a sum."""
    order = topological(template.nodes)
    return all(node.op in CHEAP or not node.args for node in order) and sum(bool(node.args) for node in order) <= 4


def _accumulate(code: Code, walk: Walk, runs: str | None, template: Template, columns: Columns, total: str) -> None:
    """Add the terms of one loop to `total`, cheap ones in several chains of additions."""

    def add(name: str, copy: int, step: str | None = None) -> None:
        walk.read(step)
        (value,) = _expressions(code, template, columns.names(walk), f"u{walk.tag}_{copy}_")
        code.add(f"{name} = {name} + {value}")

    several = walk.long and int(walk.loop.lengths.max()) >= 4 * CHAINS and _is_cheap(template)
    chains = [total, *[f"{total}{walk.tag}_{i}" for i in range(1, CHAINS)]] if several else [total]
    code.add(*[f"{name} = like(z, 0.0)" for name in chains[1:]])
    outside = code.depth
    walk.read_before()
    walk.open_runs(runs)
    if several:
        inside = code.depth
        walk.open_steps(f"{walk.length} // {CHAINS}")
        for i, name in enumerate(chains):
            add(name, i, f"({CHAINS} * {walk.step} + {i})")
        code.depth = inside
        walk.open_steps(f"{walk.length} - {walk.length} % {CHAINS}, {walk.length}")
    else:
        walk.read_ahead()
        walk.open_steps()
    add(total, CHAINS)
    walk.go_on()
    code.depth = outside
    code.add(*[f"{total} = {total} + {name}" for name in chains[1:]])


SIGNATURES = {  # function: (arguments, vector that is read, lines that write one component of the result, result)
    "rule": ("t, x, P, J, o, out", "x", ("out[{i}] = {k}",), "out"),
    "linearise": ("t, x, P, J, o, out", "x", ("out[{i}] = {k}",), "out"),
    "tangent": ("J, o, P, v, out", "v", ("out[{i}] = {k}",), "out"),
    "adjoint": ("J, o, P, w, out", "w", ("out[{i}] = {k}",), "out"),
    "divergence": ("J, o, P", "J", (), "J[o + {trace}]"),
    "stage": ("J, o, P, w, v, r, weight, ahead, R, Y, K", "w",
              ("R[{i}] = r[{i}] + weight * {k}", "Y[{i}] = v[{i}] + ahead * {k}"), "R, Y"),
    "add": ("J, o, P, w, r, weight, R, K", "w", ("R[{i}] = r[{i}] + weight * {k}",), "R"),
}  # fmt: skip


def print_rows_functions(recording) -> tuple[str, int]:
    """The text of the functions of a rule on rows, and the number of rows of a stage's block."""
    stage, tables = divide(recording), Tables()
    text = ""
    for name in SIGNATURES:
        groups = getattr(stage, {"stage": "tangent", "add": "tangent"}.get(name, name))
        text += print_groups(name, groups, tables, stage.n, trace=stage.m - 1)
    return tables.text + "\n\n" + text, stage.m


def print_rows_rule(recording) -> tuple[str, int]:
    """The text of the rule alone, and the number of rows of its block."""
    groups, m = values_alone(recording)
    tables = Tables()
    text = print_groups("rule", groups, tables, recording.inputs)
    return tables.text + "\n\n" + text, m


def print_groups(name: str, groups: Sequence[Group], tables: Tables, n: int, *, trace: int = 0) -> str:
    """The text of one of the functions in `SIGNATURES`; `trace` is the row of the block that holds the trace."""
    arguments, vector, writes, result = SIGNATURES[name]
    code = Code(vector, tables, _store(writes))
    code.add(f"z = {vector}[{'o' if vector == 'J' else 0}]")
    for found in groups:
        print_group(code, found, n)
    return function(name, arguments, code.lines, result.format(trace=trace))


VECTORS = {"get": "S, o", "put": "S, o, x", "axpy": "h, a, x, out", "scale": "s, a, out", "dot": "a, b",
           "choose": "mask, a, b, out", "zero": "x, out", "mean_square": "e, x, y, rtol, atol",
           "project": "S, first, j, k, Z", "span": "k", "bundle": "S, o, span"}  # fmt: skip


def print_rows_algebra(n: int) -> str:
    """The vector operations for this dimension."""
    text = f"N = np.int64({n})  # no literal: Numba compiles a function anew for each of those\n\n\n"
    for name, arguments in VECTORS.items():
        text += function(name, arguments, [], f"vectors.{name}(N, {arguments})")
    return text + "volume = frame.volume\n\n\n"


def _store(writes: Sequence[str]) -> Store:
    return lambda place, value: [line.format(i=place, k=value) for line in writes]
