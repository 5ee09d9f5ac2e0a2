"""Frames that scapy encodes, with the fields that a reader must find in them.

    encode.py SEED COUNT

Prints a JSON object for each frame: "frame" in hexadecimal, and the fields by name. The fields come
from what scapy was told, not from reading the frame again.
"""

import json
import random as randomness
import sys

from scapy.all import (
    ARP, Dot1Q, Ether, ICMP, IP, IPOption_NOP, IPOption_RR, IPOption_Router_Alert, IPv6,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, Pad1, PadN,
    Raw, RouterAlert, TCP, UDP)
from scapy.layers.inet6 import (
    ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA,
    ICMPv6ND_RS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptMTU, ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded)

# IANA's numbers of the extension headers (RFC 8200 section 4).
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60


class Maker:
    def __init__(self, random):
        self.random = random

    def mac(self):
        return "02:" + ":".join(f"{self.random.getrandbits(8):02x}" for _ in range(5))

    def v4(self):
        return "10." + ".".join(str(self.random.randint(1, 254)) for _ in range(3))

    def v6(self):
        return "fd00::" + ":".join(f"{self.random.randint(1, 65535):x}" for _ in range(3))

    def payload(self):
        return bytes(self.random.getrandbits(8) for _ in range(self.random.randint(0, 200)))

    # Transports: (layers, protocol number, fields)

    def tcp(self):
        choices = [("MSS", 1460), ("WScale", 7), ("SAckOK", b""), ("NOP", None),
                   ("Timestamp", (self.random.getrandbits(32), self.random.getrandbits(32))),
                   ("SAck", (1000, 2000))]
        options = self.random.sample(choices, self.random.randint(0, 4))
        ports = self.random.getrandbits(16), self.random.getrandbits(16)
        flags = self.random.getrandbits(6)
        layer = TCP(sport=ports[0], dport=ports[1], flags=flags, options=options,
                    seq=self.random.getrandbits(32), ack=self.random.getrandbits(32),
                    window=self.random.getrandbits(16))
        return layer / Raw(self.payload()), 6, {
            "sourcePort": ports[0], "destinationPort": ports[1], "tcpFlags": flags}

    def udp(self):
        # Not a port at which scapy would take the payload for a protocol that it writes anew.
        ports = self.random.randint(20_000, 60_000), self.random.randint(20_000, 60_000)
        return UDP(sport=ports[0], dport=ports[1]) / Raw(self.payload()), 17, {
            "sourcePort": ports[0], "destinationPort": ports[1]}

    def icmp(self):
        kind, code = self.random.choice(((8, 0), (0, 0), (3, 3), (3, 4), (11, 0), (12, 0), (5, 1)))
        return ICMP(type=kind, code=code) / Raw(bytes(28)), 1, {"icmpType": kind, "icmpCode": code}

    def icmpv6(self):
        target, mac = self.v6(), self.mac()
        layer, kind, code = self.random.choice((
            (ICMPv6EchoRequest(id=7, seq=1, data=b"ping"), 128, 0),
            (ICMPv6EchoReply(id=7, seq=1, data=b"ping"), 129, 0),
            (ICMPv6DestUnreach(code=4) / Raw(bytes(48)), 1, 4),
            (ICMPv6PacketTooBig(mtu=1280) / Raw(bytes(48)), 2, 0),
            (ICMPv6TimeExceeded(code=1) / Raw(bytes(48)), 3, 1),
            (ICMPv6ParamProblem(code=2) / Raw(bytes(48)), 4, 2),
            (ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=mac), 135, 0),
            (ICMPv6ND_NA(tgt=target, S=1) / ICMPv6NDOptDstLLAddr(lladdr=mac), 136, 0),
            (ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=mac), 133, 0),
            (ICMPv6ND_RA() / ICMPv6NDOptMTU(mtu=1500) / ICMPv6NDOptPrefixInfo(prefix="fd00::"),
             134, 0)))
        return layer, 58, {"icmpType": kind, "icmpCode": code}

    # Networks: (layers, fields)

    def over_v4(self):
        options = self.random.choice((
            [], [], [IPOption_NOP()], [IPOption_Router_Alert()],
            [IPOption_RR(length=11, pointer=4, routers=["0.0.0.0", "0.0.0.0"])],
            [IPOption_NOP(), IPOption_Router_Alert(), IPOption_NOP()]))
        upper, number, fields = self.random.choice((self.tcp, self.udp, self.icmp))()
        source, destination = self.v4(), self.v4()
        identifier, keeps = self.random.getrandbits(16), self.random.random() < 0.5
        header = IP(src=source, dst=destination, id=identifier, flags="DF" if keeps else 0,
                    tos=self.random.getrandbits(8), ttl=self.random.randint(1, 255),
                    options=options, proto=number)
        header_length = 20 + (sum(len(bytes(option)) for option in options) + 3) // 4 * 4
        size = len(bytes(upper))
        more = offset = 0
        if self.random.random() < 0.2:
            # A fragment: the first with its transport header, or a later one without.
            more, offset = self.random.choice(((1, 0), (1, 512), (0, 1024)))
            size += -size % 8 if more else 0
            body = bytes(upper)
            upper = Raw(body + bytes(size - len(body)))
            header.flags = more
            header.frag = offset // 8
            keeps = False
            if offset:
                fields = {}
        return header / upper, {
            "link": "ipv4", "source": source, "destination": destination, "transport": number,
            "dontFragment": keeps, "moreFragments": bool(more), "fragmentOffset": offset,
            "fragmentID": identifier, "networkLength": header_length,
            "datagramLength": header_length + size, **fields}

    def extension(self, kind):
        """An extension header and its length."""
        if kind == HOP_BY_HOP:
            return IPv6ExtHdrHopByHop(options=[RouterAlert(), PadN(optdata=b"")]), 8
        if kind == DESTINATION:
            if self.random.random() < 0.5:
                return IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]), 16
            return IPv6ExtHdrDestOpt(options=[Pad1(), PadN(optdata=bytes(3))]), 8
        # No segment is left: a router has nothing to do with it (RFC 5095).
        return IPv6ExtHdrRouting(type=2, segleft=0, addresses=[self.v6()]), 24

    def over_v6(self):
        kinds = [HOP_BY_HOP] if self.random.random() < 0.3 else []
        kinds += self.random.sample((DESTINATION, ROUTING), self.random.randint(0, 2))
        upper, number, fields = self.random.choice((self.tcp, self.udp, self.icmpv6))()
        source, destination = self.v6(), self.v6()
        packet = IPv6(src=source, dst=destination, tc=self.random.getrandbits(8),
                      fl=self.random.getrandbits(20), hlim=self.random.randint(1, 255))
        length = 40
        for kind in kinds:
            layer, size = self.extension(kind)
            packet, length = packet / layer, length + size
        more = offset = identifier = 0
        if self.random.random() < 0.25:
            more, offset = self.random.choice(((1, 0), (1, 512), (0, 1024), (0, 0)))
            identifier = self.random.getrandbits(32)
            # The checksum is of the whole datagram, which here nobody puts together.
            body = bytes(IPv6(src=source, dst=destination) / upper)[40:]
            size = len(body) + (-len(body) % 8 if more else 0)
            upper = Raw(body + bytes(size - len(body)))
            packet = packet / IPv6ExtHdrFragment(nh=number, m=more, offset=offset // 8,
                                                 id=identifier)
            length += 8
            if offset:
                fields = {}
        size = len(bytes(packet / upper)) - length
        return packet / upper, {
            "link": "ipv6", "source": source, "destination": destination, "transport": number,
            "dontFragment": True, "moreFragments": bool(more), "fragmentOffset": offset,
            "fragmentID": identifier, "networkLength": length, "datagramLength": length + size,
            **fields}

    def frame(self):
        ether = Ether(src=self.mac(), dst=self.mac())
        what = self.random.randrange(20)
        if what == 0:
            return ether / Dot1Q(vlan=self.random.getrandbits(12)) / self.over_v4()[0], {
                "link": "vlan"}
        if what == 1:
            return ether / ARP(psrc=self.v4(), pdst=self.v4()), {"link": "arp"}
        if what == 2:
            return Ether(type=0x88B5) / Raw(self.payload() + bytes(46)), {"link": "other"}
        packet, fields = self.random.choice((self.over_v4, self.over_v6))()
        # As short frames are on the wire: what pads them is no part of the packet.
        padding = b"\xee" * self.random.choice((0, 0, 6, 18))
        return bytes(ether / packet) + padding, fields


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    maker = Maker(randomness.Random(seed))
    for _ in range(count):
        frame, fields = maker.frame()
        print(json.dumps({"frame": bytes(frame).hex(), **fields}))


main()
