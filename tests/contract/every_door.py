"""Every door passes the whole suite; one more is one more line."""

from __future__ import annotations

from tests.contract.gateway_door import GatewayDoor
from tests.contract.wire_doors import HttpDoor, WireDoor

DOORS: list[WireDoor] = [HttpDoor(), GatewayDoor()]
SERVERS: list[WireDoor] = [GatewayDoor()]
"""Those that anybody may connect to and send any bytes."""
