"""Expression graphs: immutable nodes, one object per structure.

A node is an operation on other nodes. Equal expressions are one object (hash-consing), so common
subexpressions are found by identity, and the digest of the outputs names everything generated from them.
Constants count as equal only when their 64 bits are.
"""

import struct
import threading
import weakref
from collections.abc import Iterable, Sequence
from hashlib import blake2b

LEAVES = ("const", "x", "p", "t", "w")
ARITHMETIC = ("add", "sub", "mul", "div", "neg", "pow", "mod", "floordiv")
FUNCTIONS = (
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "exp", "log", "sqrt", "cbrt", "sinh", "cosh", "tanh",
    "sigmoid", "softplus", "erf", "abs", "sign", "floor", "minimum", "maximum",
)  # fmt: skip
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
LOGIC = ("and", "or", "not")
OPERATIONS = (*LEAVES, *ARITHMETIC, *FUNCTIONS, "where", *COMPARISONS, *LOGIC, "sum")

_TAGS = {op: op.encode() + b"\0" for op in OPERATIONS}


class _Reference(weakref.ref):
    """A weak reference that knows its key; WeakValueDictionary does the same at three times the cost."""

    __slots__ = ("key",)
    key: bytes


_alive: dict[bytes, _Reference] = {}
_lock = threading.RLock()  # a node may die, and be forgotten, while another is being interned


def _forget(reference: _Reference) -> None:
    with _lock:
        if _alive.get(reference.key) is reference:
            del _alive[reference.key]


def alive() -> int:
    """How many nodes exist."""
    return len(_alive)


class Node:
    """One operation of a graph; made by `make`, `constant` and `leaf` only, compared by identity.

    op : name of the operation, one of `OPERATIONS`
    args : the nodes it acts on
    value : a float for "const", the flat index for "x", "p" and "w", else None
    digest : 16 bytes over the operation, the value's bits and the digests of the arguments
    """

    __slots__ = ("op", "args", "value", "digest", "__weakref__")

    op: str
    args: "tuple[Node, ...]"
    value: float | int | None
    digest: bytes

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a node cannot be changed; make another one")

    def __repr__(self) -> str:
        inner = [repr(self.value)] if self.value is not None else [a.op for a in self.args]
        return f"<{self.op}({', '.join(inner)})>"

    def __reduce__(self):
        return _only, flatten((self,))


_set_op, _set_args = Node.op.__set__, Node.args.__set__  # type: ignore[attr-defined]
_set_value, _set_digest = Node.value.__set__, Node.digest.__set__  # type: ignore[attr-defined]


def _intern(op: str, args: tuple[Node, ...], value: float | int | None, digest: bytes) -> Node:
    """The living node with this digest, or a new one; the lock keeps two threads from making both."""
    with _lock:
        reference = _alive.get(digest)
        node = reference() if reference is not None else None
        if node is None:
            node = _new(Node)
            _set_op(node, op)
            _set_args(node, args)
            _set_value(node, value)
            _set_digest(node, digest)
            reference = _Reference(node, _forget)
            reference.key = digest
            _alive[digest] = reference
    return node


_new = object.__new__


def make(op: str, *args: Node) -> Node:
    """The node of an operation on nodes; nothing is simplified."""
    if len(args) == 2:
        data = _TAGS[op] + args[0].digest + args[1].digest
    else:
        data = _TAGS[op] + b"".join([a.digest for a in args])
    digest = blake2b(data, digest_size=16).digest()
    reference = _alive.get(digest)
    return (reference() if reference is not None else None) or _intern(op, args, None, digest)


def constant(value: float) -> Node:
    """The node of a number; 0.0 and -0.0 differ."""
    digest = blake2b(_TAGS["const"] + struct.pack("<d", value), digest_size=16).digest()
    return _intern("const", (), float(value), digest)


def leaf(op: str, index: int | None = None) -> Node:
    """The node of a state component "x", a flat parameter "p", a normal of the step "w", or the time "t"."""
    digest = blake2b(_TAGS[op] + repr(index).encode(), digest_size=16).digest()
    return _intern(op, (), index, digest)


def topological(outputs: Iterable[Node]) -> list[Node]:
    """All nodes that the outputs need, arguments before users, each once, in an order fixed by the graph."""
    order: list[Node] = []
    done: set[Node] = set()
    stack = list(outputs)[::-1]
    while stack:
        node = stack[-1]
        pending = [a for a in node.args if a not in done] if node not in done else []
        if pending:
            stack.extend(pending[::-1])
            continue
        stack.pop()
        if node not in done:
            done.add(node)
            order.append(node)
    return order


def digest_of(outputs: Iterable[Node]) -> str:
    """Hex digest of a tuple of outputs."""
    return blake2b(b"".join(o.digest for o in outputs), digest_size=16).hexdigest()


def flatten(outputs: Sequence[Node]) -> tuple[tuple, tuple[int, ...]]:
    """The graph as plain data (rows of operation, value, argument numbers; numbers of the outputs).

    Pickling nodes one inside the other would overflow the stack on deep graphs.
    """
    order = topological(outputs)
    number = {node: i for i, node in enumerate(order)}
    rows = tuple((n.op, n.value, tuple(number[a] for a in n.args)) for n in order)
    return rows, tuple(number[o] for o in outputs)


def unflatten(rows: Iterable[tuple], outputs: Iterable[int]) -> tuple[Node, ...]:
    """The nodes that `flatten` wrote down."""
    nodes: list[Node] = []
    for op, value, args in rows:
        if op == "const":
            nodes.append(constant(value))
        elif op in LEAVES:
            nodes.append(leaf(op, value))
        else:
            nodes.append(make(op, *[nodes[i] for i in args]))
    return tuple(nodes[i] for i in outputs)


def _only(rows: Iterable[tuple], outputs: Iterable[int]) -> Node:
    return unflatten(rows, outputs)[0]
