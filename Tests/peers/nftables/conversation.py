"""What two hosts say to each other, packet by packet."""

import struct

import lab
import packets
from packets import ACK, FIN, RST, SYN

OTHER = {"a": "b", "b": "a"}


class Flow:
    """One conversation between the guest ("a") and a host B; collects its packets in order.

    Every packet is a dictionary: `side` it is sent from, `scenario`, `note` (what is odd about it),
    `flow`, `port` (how the kernel's table is searched), `group` (pieces of a datagram have one) and
    a function that builds the bytes once the tag is known.
    """

    def __init__(self, random, number, scenario, family=4):
        self.random = random
        self.number = number
        self.scenario = scenario
        self.family = family
        self.address = {"a": lab.GUEST[family], "b": random.choice(lab.PEERS[family])}
        self.list = []

    def add(self, side, protocol, segment, note="", port=0, source=None):
        """Appends a whole packet; `segment` is called with source and destination."""
        source = source or self.address[side]
        destination = self.address[OTHER[side]]

        def build(tag):
            return [packets.ip(
                source, destination, protocol, segment(source, destination), tag)]

        self.list.append(self.entry(side, note, port, build))

    def add_pieces(self, side, protocol, segment, pieces, note, port=0):
        """Appends a fragmented datagram.

        `pieces` are (start, end) of the payload, in sending order.
        """
        source, destination = self.address[side], self.address[OTHER[side]]
        payload = segment(source, destination)

        def build(tag):
            return [
                packets.ip(source, destination, protocol, payload[start:end], tag, start,
                           end < len(payload))
                for start, end in pieces
            ]

        self.list.append(self.entry(side, note, port, build))

    def entry(self, side, note, port, build):
        return {"side": side, "scenario": self.scenario, "flow": self.number, "note": note,
                "port": port, "build": build}


class TCPFlow(Flow):
    """A TCP conversation that keeps the sequence numbers of both ends."""

    def __init__(self, random, number, scenario, family=4, opener="a", denied=False):
        super().__init__(random, number, scenario, family)
        self.opener = opener
        low, high = lab.EGRESS_PORTS if opener == "a" else lab.INGRESS_TCP
        if denied:
            low, high = 30001, 31000
        self.ports = {opener: 32000 + number, OTHER[opener]: random.randint(low, high)}
        self.next = {side: random.getrandbits(32) for side in "ab"}
        self.scale = {side: random.choice((None, 0, 2, 7, 14)) for side in "ab"}
        self.window = {side: random.choice((1024, 8192, 29200, 65535)) for side in "ab"}
        self.selective = {side: random.random() < 0.7 for side in "ab"}
        self.syn_sequence = dict(self.next)

    def options(self, side, flags):
        if not flags & SYN:
            return b""
        options = b"\x02\x04\x05\xb4"
        if self.selective[side]:
            options += b"\x04\x02"
        if self.scale[side] is not None:
            options += bytes([1, 3, 3, self.scale[side]])
        return options

    def send(self, side, flags, length=0, note="", sequence=None, acknowledgement=None,
             window=None, options=None):
        """Sends a segment; without `sequence` it is the next one and moves the sender on."""
        start = self.next[side] if sequence is None else sequence
        if sequence is None:
            self.next[side] += length + bool(flags & SYN) + bool(flags & FIN)
        if acknowledgement is None:
            acknowledgement = self.next[OTHER[side]] if flags & ACK else 0
        window = self.window[side] if window is None else window
        options = self.options(side, flags) if options is None else options
        ports = (self.ports[side], self.ports[OTHER[side]])
        self.add(
            side, packets.TCP, lambda source, destination: packets.tcp(
                source, destination, ports, flags, start, acknowledgement, window, options, length),
            note, port=self.ports[self.opener])
        return start

    def seen_window(self, side):
        """How far beyond the acknowledged data the side may send."""
        peer = OTHER[side]
        both = self.scale["a"] is not None and self.scale["b"] is not None
        return self.window[peer] << (self.scale[peer] if both else 0)

    def handshake(self):
        here, there = self.opener, OTHER[self.opener]
        self.syn_sequence[here] = self.send(here, SYN)
        self.syn_sequence[there] = self.send(there, SYN | ACK)
        self.send(here, ACK)

    def exchange(self, count):
        """Data both ways with what networks do to it: loss, retransmission, delay, SACK."""
        for _ in range(count):
            side = self.random.choice("ab")
            length = self.random.randint(1, 400)
            what = self.random.randrange(8)
            start = self.send(side, ACK, length)
            if what == 0:
                self.send(side, ACK, length, "retransmission", sequence=start)
            elif what == 1 and self.selective[OTHER[side]] and self.selective[side]:
                # The segment arrived and the one before it did not, says the receiver.
                left, right = start & 0xFFFFFFFF, (start + length) & 0xFFFFFFFF
                block = struct.pack("!BBBBII", 1, 1, 5, 10, left, right)
                self.send(OTHER[side], ACK, note="sack", acknowledgement=start, options=block)
            elif what == 2:
                self.send(OTHER[side], ACK, note="duplicate-ack", acknowledgement=start)
            elif what == 3:
                self.send(OTHER[side], ACK, note="zero-window", window=0)
                self.send(side, ACK, 1, "window-probe", sequence=self.next[side] - 1)
                self.send(OTHER[side], ACK, note="window-update")
            else:
                self.send(OTHER[side], ACK)

    def close(self, first):
        """Both ends close, `first` before the other."""
        second = OTHER[first]
        self.send(first, FIN | ACK)
        if self.random.random() < 0.5:
            self.send(second, ACK)
        self.send(second, FIN | ACK)
        self.send(first, ACK)

    def reset(self, side, note, offset=0, acknowledge=True):
        """A RST `offset` bytes from where the other end expects the next byte."""
        flags = RST | ACK if acknowledge else RST
        self.send(side, flags, note=note, sequence=self.next[side] + offset)
