"""What became of a member: plain integers for kernels, the enum `Status` of the same codes for people."""

import enum

import numpy as np

OK = 0
NOT_CONVERGED = 1
DEGENERATE = 2
UNTRUSTED = 3
NOT_FINITE = 4
ESCAPED = 5
FAILED = 6
PENDING = 7


class Status(enum.IntEnum):
    """Fate of one member; 1 to 3 are cautions that keep their numbers, 4 to 6 failures whose numbers are NaN."""

    OK = OK
    NOT_CONVERGED = NOT_CONVERGED
    DEGENERATE = DEGENERATE
    UNTRUSTED = UNTRUSTED
    NOT_FINITE = NOT_FINITE
    ESCAPED = ESCAPED
    FAILED = FAILED
    PENDING = PENDING

    @property
    def advice(self) -> str:
        """One sentence: what happened and what to try."""
        return _ADVICE[self]

    @staticmethod
    def failed(status: np.ndarray) -> np.ndarray:
        """Mask of the failures (`NOT_FINITE`, `ESCAPED`, `FAILED`) among codes of any shape."""
        codes = np.asarray(status)
        return (codes >= NOT_FINITE) & (codes <= FAILED)


_ADVICE = {
    Status.OK: "Nothing to remark.",
    Status.NOT_CONVERGED: "The wanted error was not reached; give more `steps` (`resume=` goes on from here), or more "
    "`max_sweeps` to finite-time exponents.",
    Status.DEGENERATE: "Directions could not be told apart or rank was lost; reorthonormalise more often "
    "with a smaller `every`, ask for fewer with `k`, or let vectors settle over a longer `warmup`.",
    Status.UNTRUSTED: "The numbers are there but a check on them failed; read `stats`, and try a longer run, "
    "more `members` or another method.",
    Status.NOT_FINITE: "The state or a tangent became NaN or infinite; try a smaller `dt`, another `x0`, "
    "or look for a division by zero in the rule.",
    Status.ESCAPED: "The orbit left the ball of `escape_radius`; try another `x0`, a smaller `dt`, other "
    "parameters or a larger `escape_radius`.",
    Status.FAILED: "The computation of this member stopped: the adaptive step became too small, or its "
    "worker died; loosen `rtol` and `atol`, use a fixed step, or run it again.",
    Status.PENDING: "Not computed yet; run or resume the sweep.",
}
