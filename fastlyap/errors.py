"""The exceptions people meet: wrong arguments, failed members, an interrupted run."""

from typing import Any


class InputError(ValueError):
    """A wrong argument, found before anything is compiled; the message names it and the remedy."""


class MemberError(RuntimeError):
    """Members that failed or cannot be trusted, raised only where `throw=True` asked for it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `partial` is the result so far, or None."""

    def __init__(self, message: str = "", partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial
