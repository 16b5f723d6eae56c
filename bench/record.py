"""What was measured, as rows; the rows as a Markdown table and as JSON, one pair of files per machine."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One number with its range over the rounds and what we aim at; `value` None is "not measured"."""

    section: str
    label: str
    value: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    aim: str = ""
    note: str = ""

    def cells(self) -> list[str]:
        """The cells of a Markdown line."""
        span = f"{short(self.low)} to {short(self.high)}" if self.low is not None and self.high is not None else ""
        value = "not measured" if self.value is None else f"{short(self.value)} {self.unit}".rstrip()
        return [self.label, value, span, self.aim, self.note]


def short(value: float | None) -> str:
    """Three digits are all that a shared machine gives."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass
class Book:
    """The rows of a session, in the order they were measured."""

    rows: list[Row] = field(default_factory=list)

    def add(self, section: str, label: str, value: float | None = None, **more) -> None:
        """One more row."""
        self.rows.append(Row(section, label, value, **more))

    def ratio(self, section: str, label: str, found, **more) -> None:
        """One more row, from a `timing.Ratio`."""
        self.add(section, label, found.value, unit="x", low=found.low, high=found.high, **more)


def markdown(rows: list[Row], head: str) -> str:
    """All rows, one table for each section."""
    text = head
    for section in sorted({row.section for row in rows}):
        text += f"\n## {section}\n\n| what | measured | range over rounds | aim | remarks |\n|---|---|---|---|---|\n"
        for row in rows:
            if row.section == section:
                text += "| " + " | ".join(row.cells()) + " |\n"
    return text


def save(rows: list[Row], name: str, about: dict[str, str]) -> Path:
    """Write the tables of one machine; sections that this session did not measure stay as they were."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    fresh = {row.section for row in rows}
    if path.exists():
        old = [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
        rows = [row for row in old if row.section not in fresh] + rows
    rows = sorted(rows, key=lambda row: row.section)
    path.write_text(json.dumps({"about": about, "rows": [asdict(r) for r in rows]}, indent=1) + "\n", encoding="utf-8")
    head = "# Measured on " + about["machine"] + "\n\n" + about["versions"] + "\n"
    page = path.with_suffix(".md")
    page.write_text(markdown(rows, head), encoding="utf-8")
    return page
