"""Readable LaTeX of a recorded rule, written straight from the graph."""

from __future__ import annotations

from collections.abc import Sequence

from fastlyap.trace.graph import Node, topological
from fastlyap.trace.recorder import Recording

_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()
)
_NAMED = {
    "sin": r"\sin", "cos": r"\cos", "tan": r"\tan", "asin": r"\arcsin", "acos": r"\arccos", "atan": r"\arctan",
    "log": r"\ln", "sinh": r"\sinh", "cosh": r"\cosh", "tanh": r"\tanh", "minimum": r"\min", "maximum": r"\max",
}  # fmt: skip
_RELATION = {"lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge", "eq": "=", "ne": r"\ne"}
# how tightly an expression binds: sum, product, sign, power, atom
_SUM, _PRODUCT, _POWER, _ATOM = range(4)
_Text = tuple[str, int]


def to_latex(
    recording: Recording, state_names: Sequence[str], parameter_names: Sequence[str], *, kind: str = "flow",
    delays: Sequence[str] = (),
) -> str:  # fmt: skip
    """One equation per state, joined by line breaks in an `aligned` block."""
    states = [symbol(name) for name in state_names]
    past = [rf"{state}(t - {symbol(name)})" for name in delays for state in states]
    leaves = {"x": [*states, *past], "p": _flat_symbols(recording, parameter_names)}
    done: dict[Node, _Text] = {}
    for node in topological(recording.outputs):
        done[node] = _text(node, [done[a] for a in node.args], leaves)
    left = (lambda s: rf"\dot{{{s}}}") if kind == "flow" else (lambda s: f"{s}'")
    lines = [f"{left(s)} &= {done[o][0]}" for s, o in zip(states, recording.outputs, strict=True)]
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def symbol(name: str) -> str:
    """A name as LaTeX: Greek letters, digits as subscripts, long words upright."""
    head, _, tail = name.partition("_")
    stem = head.rstrip("0123456789")
    subscripts = [s for s in (head[len(stem) :], tail) if s]
    text = f"\\{stem}" if stem in _GREEK else stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
    return f"{text}_{{{','.join(subscripts)}}}" if subscripts else text


def _flat_symbols(recording: Recording, names: Sequence[str]) -> list[str]:
    flat = []
    for name, shape in zip(names, recording.parameter_shapes, strict=True):
        if not shape:
            flat.append(symbol(name))
            continue
        places: list[tuple[int, ...]] = [()]
        for size in shape:
            places = [(*place, i) for place in places for i in range(size)]
        flat += [f"{symbol(name)}_{{{','.join(map(str, place))}}}" for place in places]
    return flat


def _number(value: float) -> _Text:
    text = repr(int(value)) if value == value and abs(value) < 1e15 and value == int(value) else repr(value)
    mantissa, e, exponent = text.partition("e")
    text = rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else mantissa.replace("inf", r"\infty")
    return text, _SUM if value < 0 else _PRODUCT if e else _ATOM


def _in(text: _Text, least: int) -> str:
    return text[0] if text[1] >= least else rf"\left({text[0]}\right)"


def _text(node: Node, args: list[_Text], leaves: dict[str, list[str]]) -> _Text:
    op = node.op
    if op == "const":
        return _number(node.value)
    if op in leaves:
        return leaves[op][node.value], _ATOM
    if op == "t":
        return "t", _ATOM
    if op == "w":
        return rf"\xi_{{{node.value + 1}}}", _ATOM
    if op in _RELATION:
        return f"{args[0][0]} {_RELATION[op]} {args[1][0]}", _SUM
    if op in _NAMED:
        return rf"{_NAMED[op]}\left({', '.join(a for a, _ in args)}\right)", _POWER
    writer = _WRITERS.get(op)
    return writer(args) if writer else (rf"\operatorname{{{op}}}\left({', '.join(a for a, _ in args)}\right)", _POWER)


def _divided(args: list[_Text]) -> _Text:
    return rf"\frac{{{args[0][0]}}}{{{args[1][0]}}}", _PRODUCT


def _where(args: list[_Text]) -> _Text:
    condition, a, b = (text for text, _ in args)
    return rf"\begin{{cases}} {a} & {condition} \\ {b} & \text{{otherwise}} \end{{cases}}", _SUM


_WRITERS = {
    "add": lambda a: (
        f"{a[0][0]} + {_in(a[1], _SUM)}" if not a[1][0].startswith("-") else f"{a[0][0]} {a[1][0]}",
        _SUM,
    ),
    "sub": lambda a: (f"{a[0][0]} - {_in(a[1], _PRODUCT)}", _SUM),
    "sum": lambda a: (" + ".join(text for text, _ in a) if a else "0", _SUM),
    "mul": lambda a: (rf"{_in(a[0], _PRODUCT)} \, {_in(a[1], _PRODUCT)}", _PRODUCT),
    "div": _divided,
    "neg": lambda a: (f"-{_in(a[0], _PRODUCT)}", _SUM),
    "pow": lambda a: (f"{_in(a[0], _ATOM)}^{{{a[1][0]}}}", _POWER),
    "mod": lambda a: (rf"{_in(a[0], _PRODUCT)} \bmod {_in(a[1], _POWER)}", _SUM),
    "floordiv": lambda a: (rf"\left\lfloor \frac{{{a[0][0]}}}{{{a[1][0]}}} \right\rfloor", _ATOM),
    "floor": lambda a: (rf"\left\lfloor {a[0][0]} \right\rfloor", _ATOM),
    "abs": lambda a: (rf"\left|{a[0][0]}\right|", _ATOM),
    "exp": lambda a: (rf"e^{{{a[0][0]}}}", _POWER),
    "sqrt": lambda a: (rf"\sqrt{{{a[0][0]}}}", _POWER),
    "cbrt": lambda a: (rf"\sqrt[3]{{{a[0][0]}}}", _POWER),
    "where": _where,
    "and": lambda a: (rf"{a[0][0]} \wedge {a[1][0]}", _SUM),
    "or": lambda a: (rf"{a[0][0]} \vee {a[1][0]}", _SUM),
    "not": lambda a: (rf"\neg\left({a[0][0]}\right)", _POWER),
}
