"""Print a recorded rule as small functions on lanes: tuple in, tuple out, unrolled (state dimension <= 8).

The functions and their signatures are those of `fastlyap.kernel.model.Model`. Equal subexpressions are one node
of the graph and so one local variable; constants are printed exactly; integer powers become products.
"""

from collections.abc import Iterable, Mapping, Sequence

from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.graph import Node, topological

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
          "eq": "==", "ne": "!="}  # fmt: skip
_LANE = {"where": "select", "and": "both", "or": "either", "not": "negate", "abs": "abs"}


def entries(recording) -> tuple[list[Node], list[dict[int, tuple[float, Node | None]]]]:
    """The Jacobian as (stored nodes, rows of {column: (sign, node or None for +-1)}).

    Entries that are constants or bare parameters are read where they are; all others are stored once per stage.
    """
    stored: dict[int, Node] = {}
    rows = []
    for row in jacobian_rows(recording.outputs):
        terms = {}
        for j, node in sorted(row.items()):
            sign = 1.0
            while node.op == "neg":
                sign, node = -sign, node.args[0]
            if node.op == "const" and abs(node.value) == 1.0:
                terms[j] = (sign * node.value, None)
                continue
            if node.op not in ("const", "p"):
                stored.setdefault(id(node), node)
            terms[j] = (sign, node)
        rows.append(terms)
    return list(stored.values()), rows


class Body:
    """The statements of one function, built node by node.

    `like` is a value of the working type, `prefix` begins the names of new variables; `slots` says what x[i] is called
    where that is not "x" and the number.
    """

    def __init__(self, like: str, *, prefix: str = "u", slots: Mapping[int, str] | None = None) -> None:
        self.lines: list[str] = []
        self.names: dict[int, str] = {}
        self._like, self._prefix, self._slots = like, prefix, slots

    def name(self, node: Node) -> str:
        """The expression that stands for a node already printed."""
        return self.names[id(node)]

    def print_all(self, outputs: Iterable[Node]) -> None:
        for node in topological(list(outputs)):
            self.print(node)

    def print(self, node: Node) -> None:
        if id(node) in self.names:
            return
        if node.op == "x":
            self.names[id(node)] = f"x{node.value}" if self._slots is None else self._slots[node.value]
            return
        if node.op == "t":
            self.names[id(node)] = "t"
            return
        target = f"{self._prefix}{len(self.names)}"
        self.names[id(node)] = target
        self.lines.append(f"{target} = {self.expression(node)}")

    def expression(self, node: Node) -> str:
        if node.op == "const":
            return number(node.value, self._like)
        if node.op == "p":
            return f"P[{node.value}]"
        args = [self.name(a) for a in node.args]
        if node.op in _INFIX:
            return f"{args[0]} {_INFIX[node.op]} {args[1]}"
        if node.op == "neg":
            return f"-{args[0]}"
        if node.op == "sum":
            return " + ".join(args) if args else f"like({self._like}, 0.0)"
        if node.op == "pow":
            return self._power(node, args)
        if node.op == "floordiv":
            return f"f.floor({args[0]} / {args[1]})"
        if node.op in _LANE:
            return f"{_LANE[node.op]}({', '.join(args)})"
        return f"f.{node.op}({', '.join(args)})"

    def _power(self, node: Node, args: Sequence[str]) -> str:
        exponent = node.args[1]
        if exponent.op != "const" or not 1 <= abs(exponent.value) <= 64 or exponent.value % 1.0:
            if exponent.op == "const" and exponent.value == 0.5:
                return f"f.sqrt({args[0]})"
            return f"f.pow({args[0]}, {args[1]})"
        product = self._product(args[0], int(abs(exponent.value)))
        return product if exponent.value > 0 else f"like({args[0]}, 1.0) / ({product})"

    def _product(self, base: str, power: int) -> str:
        """base**power by repeated squaring."""
        square, result = base, ""
        while power:
            if power & 1:
                result = f"{result} * {square}" if result else square
            power >>= 1
            if power:
                target = f"{self._prefix}s{len(self.lines)}"
                self.lines.append(f"{target} = {square} * {square}")
                square = target
        return result


def number(value: float, like: str) -> str:
    """The text of a constant in the type of `like`."""
    if abs(value) < float("inf"):
        return f"like({like}, {value!r})"
    return f"like({like}, {'nan' if value != value else '-inf' if value < 0 else 'inf'})"


def function(name: str, arguments: str, lines: Iterable[str], result: str | None) -> str:
    """The text of one kernel function."""
    body = "\n".join(f"    {line}" for line in lines)
    tail = f"    return {result}\n" if result is not None else ""
    return f"@kernel\ndef {name}({arguments}):\n{body}\n{tail}\n\n"


def tuple_of(parts: Iterable[str]) -> str:
    """The text of a tuple, of one part too."""
    return "(" + " ".join(f"{p}," for p in parts) + ")"


def unpack(prefix: str, n: int, source: str) -> str:
    """The statement that takes a tuple apart."""
    return " ".join(f"{prefix}{i}," for i in range(n)) + f" = {source}"


def _combination(terms: Iterable[tuple[float, str | None, str]], zero: str) -> str:
    """sign * coefficient * vector, summed; positive terms first so that no negation is left over."""
    ordered = sorted(terms, key=lambda term: term[0] < 0)
    text = ""
    for sign, coefficient, vector in ordered:
        product = vector if coefficient is None else f"{coefficient} * {vector}"
        text += (" - " if sign < 0 else " + ") + product if text else ("-" if sign < 0 else "") + product
    return text or zero


def _coefficients(stored: Sequence[Node], rows: Sequence[dict], like: str) -> tuple[list[str], dict[int, str]]:
    """Statements that load what the Jacobian products need, and the name of each coefficient."""
    lines, names = [], {}
    for i, node in enumerate(stored):
        lines.append(f"j{i} = J[o + {i}]")
        names[id(node)] = f"j{i}"
    for row in rows:
        for _, node in row.values():
            if node is not None and id(node) not in names:
                names[id(node)] = f"c{len(names)}"
                value = f"P[{node.value}]" if node.op == "p" else f"like({like}, {node.value!r})"
                lines.append(f"{names[id(node)]} = {value}")
    return lines, names


def print_rule(recording, name: str = "rule", keep: Sequence[Node] = ()) -> str:
    """The text of the rule alone, which keeps the values of these nodes."""
    body = Body("x0")
    body.print_all([*recording.outputs, *keep])
    lines = [unpack("x", recording.inputs, "x"), *body.lines]
    lines += [f"J[o + {i}] = {body.name(node)}" for i, node in enumerate(keep)]
    return function(name, "t, x, P, J, o, out", lines, tuple_of(map(body.name, recording.outputs)))


def print_functions(recording) -> tuple[str, int]:
    """The text of rule, linearise, tangent, adjoint, divergence and stage; and the number of stored entries."""
    n, inputs = recording.dim, recording.inputs
    stored, rows = entries(recording)
    text = print_rule(recording) + print_rule(recording, "linearise", stored)
    columns: list[dict] = [{i: rows[i][j] for i in range(n) if j in rows[i]} for j in range(inputs)]
    for name, vector, size, lists in (("tangent", "v", inputs, rows), ("adjoint", "w", n, columns)):
        lines, names = _coefficients(stored, lists, f"{vector}0")
        results = [
            _combination(
                ((sign, None if node is None else names[id(node)], f"{vector}{j}") for j, (sign, node) in row.items()),
                f"like({vector}0, 0.0)",
            )
            for row in lists
        ]
        text += function(name, f"J, o, P, {vector}, out", [unpack(vector, size, vector), *lines], tuple_of(results))
    diagonal = [{i: rows[i][i]} for i in range(n) if i in rows[i]]
    lines, names = _coefficients(stored, diagonal, "one")
    trace = " + ".join(
        f"like(one, {sign!r})" if node is None else f"like(one, {sign!r}) * {names[id(node)]}"
        for row in diagonal
        for sign, node in row.values()
    )
    text += function("divergence", "J, o, P", ["one = J[o]", *lines], trace or "like(one, 0.0)")
    return text, max(1, len(stored))
