"""What the steps of an orbit do to an orthonormal frame, as triangular factors: rows V_s = L_s Q_s, and Q_s goes on.

The product of all steps is then that of the factors between the first frame and the last. One member, dense form.
"""

import numpy as np

from fastlyap.kernel import growth
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot


@kernel
def record(model, advance, S, A, P, W, F, k, t0, dt, step, n_steps, spare, radius, rtol, atol, eps):
    """Advance state and frame, leaving the lower triangular factors (n_steps, k, k) in F."""
    n = model.n
    V = slot(W, spare, k * n)
    for s in range(n_steps):
        advance(model, t0 + step * dt, dt, S, A, P, W, k, False, rtol, atol)
        step += 1
        for i in range(k * n):
            V[i] = S[n + 1 + i]
        growth.settle(model, S, A, W, k, False, step, radius, eps)
        L = slot(F, s * k * k, k * k).reshape(k, k)
        np.dot(V.reshape(k, n), slot(S, n + 1, k * n).reshape(k, n).T, L)
        for i in range(k):
            L[i, i] = W[i]  # r_ii, which says where rank is lost
            for j in range(i + 1, k):
                L[i, j] = like(L[i, i], 0.0)
