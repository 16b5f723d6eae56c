"""The engine in this process: one batched call per chunk, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastlyap.errors import Interrupted
from fastlyap.progress import Interrupt
from fastlyap.sweeps.isolation import isolate
from fastlyap.sweeps.report import Report
from fastlyap.sweeps.work import Outcome, Piece, Shapes, Task, compute


def run(
    pieces: Iterable[Piece], take: Callable[[Piece, Outcome], None], how: Task, report: Report, interrupt: Interrupt,
    shapes: Callable[[], Shapes | None],
) -> bool:  # fmt: skip
    """Compute pieces and hand each to `take`; whether Ctrl-C was not heard."""
    for piece in pieces:
        points = len(piece.job)
        if interrupt.heard:
            return False
        try:
            outcome = compute(piece, how, _shown(report, points))
        except Interrupted:
            return False
        except TimeoutError as problem:
            report.say(f"chunk {piece.chunk}: {problem}; looking for the member")
            try:
                outcome = isolate(piece, lambda part: compute(part, how), (TimeoutError,), shapes())
            except Interrupted:
                return False
        take(piece, outcome)
    return True


def _shown(report: Report, points: int) -> Callable[[float], None]:
    return lambda share: report.working(share * points)
