"""The catalogue as a list that prints as a table."""

from __future__ import annotations

from dataclasses import dataclass

from fastlyap.system import System


@dataclass(frozen=True)
class Entry:
    """One system of the catalogue; `exponents` as far as they are known, in nats per unit time or step."""

    name: str
    dimension: int
    kind: str
    exponents: tuple[float, ...]
    sum: float | None
    source: str

    @classmethod
    def of(cls, system: System) -> Entry:
        """The entry of a system at its defaults."""
        known = system.known
        if known is None:
            return cls(system.name, system.dim, system.kind, (), None, "")
        return cls(system.name, system.dim, system.kind, known.exponents, known.sum, known.source)

    def __str__(self) -> str:
        numbers = ", ".join(f"{value:.6g}" for value in self.exponents)
        if not numbers and self.sum is not None:
            numbers = f"sum {self.sum:.6g}"
        return f"{self.name:<18}{self.dimension:>4}  {self.kind:<5} {numbers:<34} {self.source}".rstrip()


class Catalogue(list):
    """A list of entries."""

    def __repr__(self) -> str:
        head = f"{'name':<18}{'n':>4}  {'kind':<5} {'exponents':<34} source"
        return "\n".join([head, *map(str, self)])
