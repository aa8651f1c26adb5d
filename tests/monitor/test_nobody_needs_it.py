"""Delete the room, and nothing changes but what you see: only the server and the cli know it."""

from tests.architecture.import_graph import House, room_of

MAY_KNOW_IT = {"monitor", "gateway", "cli"}


def test_nobody_else_imports_it() -> None:
    arrows = House().arrows
    knows = {room_of(arrow.importer) for arrow in arrows if room_of(arrow.imported) == "monitor"}
    assert "monitor" in knows
    assert knows <= MAY_KNOW_IT
