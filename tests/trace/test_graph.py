"""Graphs: one object per structure, digests over bits, no recursion anywhere."""

import gc
import pickle
import threading

import pytest

from fastlyap.trace import graph
from fastlyap.trace.graph import alive, constant, digest_of, flatten, leaf, make, topological, unflatten


def test_equal_structures_are_one_object():
    a = make("add", leaf("x", 0), make("sin", leaf("p", 1)))
    b = make("add", leaf("x", 0), make("sin", leaf("p", 1)))
    assert a is b
    assert make("add", b.args[1], b.args[0]) is not a


@pytest.mark.parametrize(
    ("one", "other"), [(0.1 + 0.2, 0.3), (0.0, -0.0), (1.0, 1.0 + 2**-52), (float("nan"), float("inf"))]
)
def test_constants_differ_by_their_bits(one, other):
    assert constant(one) is constant(one)
    assert constant(one).digest != constant(other).digest


def test_operations_and_leaves_have_their_own_digests():
    x, y = leaf("x", 0), leaf("x", 1)
    nodes = [x, y, leaf("p", 0), leaf("t"), constant(0.0)]
    binary = ("add", "sub", "mul", "div", "pow", "mod", "floordiv", "atan2", "lt", "and", "sum")
    nodes += [make(op, x, y) for op in binary]
    nodes += [make(op, x) for op in ("neg", "sin", "not", "sum")]
    assert len({n.digest for n in nodes}) == len(nodes)


def test_a_node_cannot_be_changed():
    node = constant(1.0)
    with pytest.raises(AttributeError, match="cannot be changed"):
        node.value = 2.0


def test_topological_order_is_deterministic_and_complete():
    x, y = leaf("x", 0), leaf("x", 1)
    s = make("sin", x)
    outputs = (make("add", s, y), make("mul", s, s))
    order = topological(outputs)
    assert order == topological(outputs)
    assert len(order) == len(set(order)) == 5
    assert all(order.index(a) < order.index(n) for n in order for a in n.args)


def test_deep_graphs_need_no_recursion():
    node = leaf("x", 0)
    for _ in range(50_000):
        node = make("sin", node)
    assert len(topological([node])) == 50_001
    assert pickle.loads(pickle.dumps(node)) is node
    assert unflatten(*flatten((node,)))[0] is node
    del node


@pytest.mark.slow
def test_dead_nodes_are_forgotten():
    gc.collect()
    before = alive()
    nodes = [make("add", leaf("x", 7), constant(float(i))) for i in range(1000)]
    assert alive() >= before + 1000
    del nodes
    gc.collect()
    assert alive() <= before + 10


def test_threads_share_nodes():
    made = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def work(mine):
        start.wait()
        for i in range(500):
            mine.append(make("mul", leaf("x", i), constant(i + 0.123)))

    threads = [threading.Thread(target=work, args=(m,)) for m in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(a is b for other in made[1:] for a, b in zip(made[0], other, strict=True))


def test_digest_of_depends_on_order():
    x, y = leaf("x", 0), leaf("x", 1)
    assert digest_of((x, y)) != digest_of((y, x))
    assert len(digest_of(())) == 32


def test_every_function_of_the_graph_is_in_fl_math():
    from fastlyap import math

    assert set(graph.FUNCTIONS) < set(math.__all__)
