"""Pipes as messages: who is slowed by whom."""

from headway.mcp.pump import Incoming, Outgoing


class Sender:
    def __init__(self) -> None:
        self.did: list[str] = []

    def pause_reading(self) -> None:
        self.did.append("pause")

    def resume_reading(self) -> None:
        self.did.append("resume")


def test_what_is_full_stops_its_sources_in_the_midst_of_what_has_come() -> None:
    full, heard, sender = Outgoing(lambda: None), [], Sender()

    def on_line(line: bytes) -> None:
        heard.append(line)
        if line == b"2":
            full.pause_writing()

    incoming = Incoming(on_line, heard.append)
    incoming.source = sender
    full.slows(lambda: incoming)
    incoming.data_received(b"1\n2\n3\nrest")
    incoming.connection_lost(None)
    assert (heard, sender.did) == ([b"1", b"2"], ["pause"])
    full.resume_writing()
    assert (heard, sender.did) == ([b"1", b"2", b"3", b"rest"], ["pause", "resume"])


def test_a_source_goes_on_when_all_have_room() -> None:
    heard: list[bytes] = []
    incoming, sender = Incoming(heard.append, heard.append), Sender()
    incoming.source = sender
    one, other = Outgoing(lambda: None), Outgoing(lambda: None)
    for outgoing in (one, other):
        outgoing.slows(lambda: incoming)
        outgoing.pause_writing()
    one.resume_writing()
    incoming.data_received(b"1\n")
    assert (heard, sender.did) == ([], ["pause"])
    other.resume_writing()
    assert (heard, sender.did) == ([b"1"], ["pause", "resume"])
