"""Where things lie in the rows a kernel works on; shared by the kernels and by those who fill and read the rows.

Rows `S` (working type): the state at 0 .. n-1, the step proposal of the adaptive integrator at n, then the
frame, vector j at n + 1 + j*n.
Rows `A` (float64 accumulators): the names below, then k mantissas and k exponents of the growth since the last
fold, then N_CELLS * k cells of log2 growth.
"""

STATUS = 0  # a code of fastlyap.status
FAILED_STEP = 1  # the step at which the status was found
CONDITIONING = 2  # the largest ratio max r_jj / min r_jj met
VOLUME_MANTISSA = 3  # |det| of the steps as mantissa * 2**exponent
VOLUME_EXPONENT = 4
DIVERGENCE = 5  # integral of the flow's divergence
GROWTH = 6  # first mantissa

N_CELLS = 64
PER_NAT = 1.4426950408889634  # 1 / ln 2: logarithms are to base 2
KEYS = 5  # rows of `P` behind the parameters of a noisy system: seed and member; then the normals of a step
PLACE = 5  # rows of `P` for a delay and a time: steps back, then the four weights of the interpolation
PANEL = 16  # vectors of a dense frame that are taken out of later ones together
BLOCK = 64  # later ones at a time
INNER_STEPS = 1000  # the adaptive integrator takes at most so many attempts in one interval


def state_rows(n, k):
    """Number of rows of `S`."""
    return n + 1 + k * n


def frame_scratch(n):
    """Rows of scratch that the reorthonormalisation of n vectors and their volume may use (`growth.settle`)."""
    return max(n * n, PANEL * (PANEL + BLOCK) + BLOCK * n)


def head_rows(k):
    """Number of rows of `A` before the cells: all there are in a run-up, which counts nothing."""
    return GROWTH + 2 * k


def accumulator_rows(k):
    """Number of rows of `A`, cells included."""
    return head_rows(k) + N_CELLS * k
