"""The small network that both sides judge: guest A behind a NIC, hosts B elsewhere in the VPC."""

import packets

ROUTER_MAC = bytes.fromhex("026170757301")
GUEST_MAC = bytes.fromhex("02000000000a")
PEER_MAC = bytes.fromhex("020000000014")

GUEST = {4: "10.0.1.10", 6: "fd00:10:0:1::a"}
# Addresses of B: each a mapping in the model and a neighbour of the namespace.
PEERS = {
    4: [f"10.0.2.{number}" for number in range(20, 60)],
    6: [f"fd00:10:0:2::{number:x}" for number in range(20, 60)],
}
# Routers on the way, the sources of some ICMP errors; no rule names them.
ON_PATH = {4: "10.0.3.1", 6: "fd00:10:0:3::1"}

# Packets between these follow every packet under test; one that did not arrive before them was
# dropped.
MARKER = {"a": ("10.0.1.250", "10.0.2.250"), "b": ("10.0.2.250", "10.0.1.250")}
MARKER_PROTOCOL = packets.MARKER_PROTOCOL

EGRESS_PORTS = (1, 30000)
INGRESS_TCP = (8000, 8100)
INGRESS_UDP = (5000, 5100)
