"""The raw-packet cases of Open vSwitch's system tests for conntrack, as conversations.

Written anew from what they are about (tests/system-traffic.at of Open vSwitch's sources): ICMP
errors about what was sent, invalid packets, protocols without ports, and fragments that are
reordered, doubled and overlapping, of both families.
"""

import random as randomness
import struct

import lab
import packets
from conversation import OTHER, Flow, TCPFlow
from generator import (
    datagram, echo_types, error_types, icmp_message, icmp_protocol, quoted, weave)
from packets import ACK, FIN, RST, SYN


def icmp_related(flow):
    """A datagram that B refuses, says B, and says a router on the way; then one of another flow."""
    ports = (32_000 + flow.number, 10_000)

    def sent(source, destination):
        return packets.udp(source, destination, ports, 20)

    flow.add("a", packets.UDP, sent)
    kind, code, word = error_types(flow)[0]
    quote = quoted(flow, "a", packets.UDP, sent)
    icmp_message(flow, "b", kind, code, word, quote, "error")
    icmp_message(flow, "b", kind, code, word, quote, "error-on-path", lab.ON_PATH[flow.family])
    unknown = quoted(flow, "a", packets.UDP, lambda source, destination: packets.udp(
        source, destination, (ports[0] ^ 0x4000, ports[1]), 20))
    icmp_message(flow, "b", kind, code, word, unknown, "error-unknown")
    # What the error is about lives on.
    datagram(flow, "b", (ports[1], ports[0]), 20)


def icmp_related_echo(flow):
    """An error about an echo request."""
    request = echo_types(flow)[0]

    def sent(source, destination):
        return packets.icmp(source, destination, request, 0, flow.number << 16 | 1, b"ping")

    flow.add("a", icmp_protocol(flow), sent)
    kind, code, word = error_types(flow)[1]
    icmp_message(flow, "b", kind, code, word, quoted(flow, "a", icmp_protocol(flow), sent), "error")


def invalid(flow):
    """What can begin no connection: an answer, a FIN or a RST of none, and an echo's answer."""
    reply = echo_types(flow)[1]
    icmp_message(flow, "b", reply, 0, flow.number << 16 | 1, note="reply-alone")
    icmp_message(flow, "a", reply, 0, flow.number << 16 | 1, note="reply-alone")


def generic_protocol(flow):
    """GRE, which only B may begin, or ESP, which only A may: addresses are the connection."""
    protocol, opener = flow.random.choice(((packets.GRE, "b"), (packets.ESP, "a")))
    flow.address["b"] = lab.PEERS[flow.family][flow.peer]
    body = struct.pack("!HHI", 0, 0x0800, 0) + bytes(28)
    for side in (OTHER[opener], opener, opener, OTHER[opener], opener):
        flow.add(side, protocol, lambda source, destination: body, f"protocol-{protocol}")


# Connections that `limited` lets a guest have.
LIMIT = 20

# Pieces of a datagram of 1,008 bytes, in sending order.
ARRANGEMENTS = {
    "in-order": [(0, 400), (400, 800), (800, 1008)],
    "reversed": [(800, 1008), (400, 800), (0, 400)],
    "swapped": [(0, 400), (800, 1008), (400, 800)],
    "doubled": [(0, 400), (0, 400), (400, 800), (400, 800), (800, 1008)],
    "overlap": [(0, 400), (392, 800), (800, 1008)],
    "inside": [(0, 400), (400, 800), (480, 560), (800, 1008)],
    "first-alone": [(0, 400)],
    "without-first": [(400, 800), (800, 1008)],
    "tiny-steps": [(start, min(start + 128, 1008)) for start in range(0, 1008, 128)],
}


def fragments(flow):
    ports = (32_000 + flow.number, 10_000)
    note = flow.arrangement
    flow.add_pieces("a", packets.UDP, lambda source, destination: packets.udp(
        source, destination, ports, 1000), ARRANGEMENTS[note], f"fragments-{note}")
    datagram(flow, "b", (ports[1], ports[0]), 20, "answer-to-fragments")


def tcp_close(flow):
    flow.handshake()
    flow.send("a", ACK, 100)
    flow.send("b", ACK)
    flow.close("a")


def tcp_invalid(flow):
    """No connection is there: neither the answer to a SYN, nor a FIN, nor a RST may begin one."""
    side = flow.random.choice("ab")
    flags = flow.random.choice((SYN | ACK, FIN | ACK, RST, RST | ACK))
    flow.send(side, flags, note="midstream")


def limited(seed):
    """Twice as many flows as may be tracked, each asked, answered, and asked again."""
    random = randomness.Random(seed)
    made = []
    for number in range(1, 2 * LIMIT + 1):
        flow = Flow(random, number, "limited", random.choice((4, 6)))
        ports = (32_000 + number, random.randint(1000, 20_000))
        datagram(flow, "a", ports, 20)
        datagram(flow, "b", ports[::-1], 20, "answer")
        datagram(flow, "a", ports, 20, "again")
        made.append(flow)
    return weave(random, made)


def generate(seed):
    """Every case over both families, with the seed's numbers, woven into one another."""
    random = randomness.Random(seed)
    made = []

    def add(flow, scenario):
        scenario(flow)
        made.append(flow)

    peers = random.sample(range(len(lab.PEERS[4])), 8)
    for family in (4, 6):
        for scenario in (icmp_related, icmp_related_echo, invalid):
            add(Flow(random, len(made) + 1, scenario.__name__, family), scenario)
        for _ in range(4):
            flow = Flow(random, len(made) + 1, generic_protocol.__name__, family)
            flow.peer = peers.pop()
            add(flow, generic_protocol)
        for name in ARRANGEMENTS:
            flow = Flow(random, len(made) + 1, fragments.__name__, family)
            flow.arrangement = name
            add(flow, fragments)
        for opener in "ab":
            add(TCPFlow(random, len(made) + 1, tcp_close.__name__, family, opener), tcp_close)
        for _ in range(4):
            add(TCPFlow(random, len(made) + 1, tcp_invalid.__name__, family), tcp_invalid)
    return weave(random, made)
