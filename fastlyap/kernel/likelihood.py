"""Scores along an orbit: kernel differentiation, also called no-propagate or the likelihood-ratio method.

Rows 0 .. own-1 of `S` are the state, own .. n-1 the score of the last step by each parameter, row n counts. Behind
lie vectors of n rows, of which rows own .. n-1 add up: `count` derivatives of the objectives by the parameters
themselves, then `columns` weighted sums of scores. Source: Ni, No-propagate algorithm (2023).
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import narrow_like, wide
from fastlyap.kernel.sensitivity import examine


@kernel
def score_orbit(
    advance, observe, feed, S, A, P, W, F, own, n, count, columns, each, feeds, t0, dt, first, n_steps, radius
):  # fmt: skip
    """Advance, and add the scores of each step, times `columns` weights in the rows `F`, to the sums.

    With `each`, objectives and scores of every step go to the rows `F` instead; with `feeds` the derivatives of the
    objectives by parameters are added up.
    """
    p = n - own
    for s in range(n_steps):
        t = t0 + (first + s) * dt
        row = s * (count + p)
        if each:
            observe(t, S, P, W, F, row)
        if feeds:
            feed(t, 1.0, S, count, P, W)
        advance(None, t, dt, S, A, P, W, 0, False, 0.0, 0.0)
        examine(S, A, own, first + s + 1, radius)
        if each:
            for i in range(p):
                F[row + count + i] = wide(S[own + i])
        for c in range(columns):
            weight = narrow_like(F[s * columns + c], S[0])
            o = n + 1 + (count + c) * n
            for i in range(own, n):
                S[o + i] = S[o + i] + weight * S[i]
