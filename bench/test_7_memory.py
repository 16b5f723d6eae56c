"""A million members in one call: peak memory of the process, and its time."""

from bench.processes import fresh

SECTION = "7. Henon, a million members, 1000 steps each"


def test_memory(book, sizes, tmp_path):
    members = 1_000_000 if sizes.scale == 1.0 else 100_000
    found = fresh("memory", members, tmp_path)
    assert found["members"] == members
    book.add(SECTION, "peak memory", found["bytes"] / 1e9, unit="GB", aim="< 2", note=f"{members} members")
    rate = f"{members * 1000 / found['seconds'] / 1e6:.0f} M member-steps/s"
    book.add(SECTION, "time of the call, one core", found["seconds"], unit="s", note=rate)
