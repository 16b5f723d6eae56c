"""Shadowing covectors once more, now that their coefficients are known: the gradient by very many parameters.

In the first sweep W and v are pulled back without parameters. With the coefficients a_k, nu = v + W a_k is known at the
end of every segment; from there it is pulled back alone, and only its share of the parameters is added up. A segment is
short enough for nu to be right at its start as well. Source: Ni & Talnikar, JCP 395 (2019), the adjoint of section 4.
"""

from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import narrow_like, slot, wide
from fastlyap.kernel.sensitivity import go_again, recall


@kernel
def keep_end(own, n, k, S, V, o):
    """Copy the states' parts of k covectors to the rows `V` from o on."""
    for c in range(k):
        for i in range(own):
            V[o + c * own + i] = wide(S[n + 1 + c * n + i])


@kernel
def take_end(own, n, k, S, V, o):
    """The reverse; the parameters' parts stay."""
    for c in range(k):
        for i in range(own):
            S[n + 1 + c * n + i] = narrow_like(V[o + c * own + i], S[0])


@kernel
def walk_again(
    model, advance, back, feed, S, A, P, W, X, F, V, own, count, length, segment, t0, dt, first, n_steps, rtol, atol
):  # fmt: skip
    """Pull `count` covectors back over whole segments, at whose ends they are those in the rows `V`.

    The state in `S` is that of step `first`, which begins segment number `segment`; `F` holds zeros (`pull_segment`).
    """
    n = model.n
    row = own + 1
    go_again(model, advance, S, A, P, W, X, own, t0, dt, first, n_steps, rtol, atol)
    Z = slot(X, n_steps * row, layout.INNER_STEPS * (n + 2))
    for j in range(n_steps):
        s = n_steps - 1 - j
        t = t0 + (first + s) * dt
        if (s + 1) % length == 0:
            take_end(own, n, count, S, V, (segment + s // length) * count * own)
        recall(own, n, S, X, s * row)
        back(t, dt, S, A, P, W, Z, F, s * count, 1.0, count, rtol, atol)
        recall(own, n, S, X, s * row)
        feed(t, 1.0, S, count, P, W)
