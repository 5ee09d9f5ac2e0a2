"""Writes the captures that no kernel here makes: Geneve, and fragments that do not belong together.

    craft.py geneve|fragments FILE

Every run writes the same bytes: times and identifiers are fixed.
"""

import sys

from scapy.all import (
    ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment, PadN, Raw, wrpcap)
from scapy.contrib.geneve import GENEVE, GeneveOptions

ROUTER = "02:61:70:75:73:01"
WEB = "02:00:00:00:00:0a"
DB = "02:00:00:00:00:14"
HOST, HOST_MAC = "192.0.2.1", "02:aa:00:00:00:01"
UNDERLAY_ROUTER = "02:aa:00:00:00:fe"
START = 1_700_000_000


class Capture:
    """Packets with times ten milliseconds apart."""

    def __init__(self):
        self.packets = []
        self.now = START

    def add(self, packet, after=0.01):
        self.now += after
        packet = packet.__class__(bytes(packet))
        packet.time = round(self.now, 6)
        self.packets.append(packet)


def letters(count):
    return bytes(97 + i % 26 for i in range(count))


def geneve(outer_source="192.0.2.2", vni=100, inner=None, outer_target=HOST, port=6081,
           **fields):
    """An encapsulated frame from another host."""
    outer = Ether(src=UNDERLAY_ROUTER, dst=HOST_MAC) / IP(
        src=outer_source, dst=outer_target, ttl=63)
    return outer / UDP(sport=49152 + vni, dport=port, chksum=0) / GENEVE(
        vni=vni, proto=0x6558, **fields) / inner


def query(source="10.0.2.20", target="10.0.1.10", sport=40000, dport=53, mac=WEB, size=32):
    return Ether(src=DB, dst=mac) / IP(src=source, dst=target) / UDP(
        sport=sport, dport=dport) / Raw(letters(size))


def make_geneve():
    capture = Capture()
    # 1-3: a query of a neighbour, its next one, one over IPv6.
    capture.add(geneve(inner=query()))
    capture.add(geneve(inner=query()))
    capture.add(geneve(inner=Ether(src=DB, dst=WEB) / IPv6(
        src="fd00:10:0:2::14", dst="fd00:10:0:1::a") / UDP(
            sport=40000, dport=53) / Raw(letters(32))))
    # 4: an option that may be skipped. 5: one that is critical and unknown.
    option = GeneveOptions(classid=0xFFF0, type=1, data=letters(8))
    capture.add(geneve(inner=query(), options=[option]))
    option = GeneveOptions(classid=0xFFF0, type=0x81, data=letters(8))
    capture.add(geneve(inner=query(), options=[option], critical=1))
    # 6: a version that does not exist. 7: options longer than the packet.
    capture.add(geneve(inner=query(), version=1))
    broken = bytearray(bytes(geneve(inner=Raw(b""))))
    broken[42] = 0x3F
    capture.add(Ether(bytes(broken)))
    # 8: a VNI of nobody. 9: a host where the inner source does not live.
    capture.add(geneve(inner=query(), vni=4711))
    capture.add(geneve(inner=query(), outer_source="192.0.2.66"))
    # 10: an inner source that no mapping knows. 11: an inner destination that nobody has.
    capture.add(geneve(inner=query(source="10.0.2.21")))
    capture.add(geneve(inner=query(target="10.0.1.77")))
    # 12: the right address behind another MAC. 13: a VLAN tag inside.
    capture.add(geneve(inner=query(mac="02:00:00:00:00:99")))
    capture.add(geneve(inner=Ether(src=DB, dst=WEB) / Dot1Q(vlan=5) / IP(
        src="10.0.2.20", dst="10.0.1.10") / UDP(sport=40000, dport=53) / Raw(letters(32))))
    # 14: the inner packet says it is longer than it is. 15: and ends within its header.
    long = Ether(src=DB, dst=WEB) / IP(src="10.0.2.20", dst="10.0.1.10", len=400) / UDP(
        sport=40000, dport=53, len=40) / Raw(letters(32))
    capture.add(geneve(inner=long))
    capture.add(geneve(inner=Raw(bytes(query())[:30])))
    # 16: a port that no rule allows. 17, 18: a connection begins, from a rule by group.
    capture.add(geneve(inner=query(dport=161)))
    segment = dict(sport=41000, dport=5432, window=64240)
    base = Ether(src=DB, dst=WEB) / IP(src="10.0.2.20", dst="10.0.1.10")
    capture.add(geneve(inner=base / TCP(seq=1000, flags="S", **segment)))
    capture.add(geneve(inner=base / TCP(seq=1000, flags="S", **segment)), after=1)
    # 19: from the peer VPC, with the VNI of the destination. 20: with its own.
    peer = query(source="10.9.1.10")
    capture.add(geneve(inner=peer))
    capture.add(geneve(inner=peer, vni=200))
    # 21: a tunnel packet in two fragments, each recorded as it came.
    whole = geneve(inner=query(size=1200))
    body = bytes(whole[IP].payload)
    outer = Ether(src=UNDERLAY_ROUTER, dst=HOST_MAC)
    header = dict(src="192.0.2.2", dst=HOST, id=77, proto=17, ttl=63)
    capture.add(outer / IP(flags="MF", **header) / Raw(body[:800]))
    capture.add(outer / IP(frag=100, **header) / Raw(body[800:]))
    # 23: the host's own packet leaves. 24: something else for the host. 25: the next query.
    capture.add(Ether(src=HOST_MAC, dst=UNDERLAY_ROUTER) / IP(src=HOST, dst="192.0.2.2") / UDP(
        sport=50000, dport=6081, chksum=0) / GENEVE(vni=100, proto=0x6558) / Ether(
            src=WEB, dst=DB) / IP(src="10.0.1.10", dst="10.0.2.20") / ICMP())
    capture.add(outer / IP(src="192.0.2.2", dst=HOST) / TCP(sport=40000, dport=22, flags="S"))
    capture.add(geneve(inner=query()))
    return capture.packets


def piece(number, offset, body, more, protocol=17, source="10.0.2.20"):
    """An IPv4 fragment; the offset is in bytes."""
    return Ether(src=ROUTER, dst=WEB) / IP(
        src=source, dst="10.0.1.10", id=number, proto=protocol, frag=offset // 8,
        flags="MF" if more else 0) / Raw(body)


def piece6(number, offset, body, more, next_header=17):
    """An IPv6 fragment; the offset is in bytes."""
    return Ether(src=ROUTER, dst=WEB) / IPv6(
        src="fd00:10:0:2::14", dst="fd00:10:0:1::a") / IPv6ExtHdrFragment(
            nh=next_header, id=number, offset=offset // 8, m=int(more)) / Raw(body)


def datagram(port=53, size=1592):
    """A UDP header and payload, without checksum."""
    return (40000).to_bytes(2, "big") + port.to_bytes(2, "big") + (size + 8).to_bytes(
        2, "big") + b"\0\0" + letters(size)


def make_fragments():
    capture = Capture()
    whole = datagram()
    first, second = whole[:800], whole[800:]
    # 1, 2: in order. 3: the second again, an exact duplicate.
    capture.add(piece(1, 0, first, True))
    capture.add(piece(1, 800, second, False))
    capture.add(piece(1, 800, second, False))
    # 4-6: the second before its first, then the first, then the second once more.
    capture.add(piece(2, 800, second, False))
    capture.add(piece(2, 0, first, True))
    capture.add(piece(2, 800, second, False))
    # 7-9: the second overlaps the first by eight bytes, the third does not.
    capture.add(piece(3, 0, whole[:800], True))
    capture.add(piece(3, 792, whole[792:1200], True))
    capture.add(piece(3, 1200, whole[1200:], False))
    # 10, 11: a TCP header that does not fit its first fragment.
    segment = bytes(TCP(sport=40001, dport=80, flags="S", seq=1, chksum=0))
    capture.add(piece(4, 0, segment[:8], True, protocol=6))
    capture.add(piece(4, 8, segment[8:], False, protocol=6))
    # 12, 13: a port that no rule allows.
    refused = datagram(port=161)
    capture.add(piece(5, 0, refused[:800], True))
    capture.add(piece(5, 800, refused[800:], False))
    # 14: a middle whose length is no multiple of eight. 15: an end past 65,535 bytes.
    capture.add(piece(6, 0, whole[:805], True))
    capture.add(piece(7, 65528, letters(64), False))
    # 16: the same identifier from another sender is another datagram.
    capture.add(piece(1, 800, second, False, source="10.0.2.21"))
    # 17, 18: the second comes after sixteen seconds.
    capture.add(piece(8, 0, first, True))
    capture.add(piece(8, 800, second, False), after=16)
    # 19-21: IPv6, in order, and an atomic fragment: a whole packet.
    capture.add(piece6(11, 0, first, True))
    capture.add(piece6(11, 800, second, False))
    capture.add(piece6(12, 0, datagram(size=64), False))
    # 22: a later fragment alone. 23, 24: headers that end in the second fragment.
    capture.add(piece6(13, 800, second, False))
    options = bytes(IPv6ExtHdrDestOpt(nh=17, options=[PadN(optdata=b"\0" * 12)]))
    capture.add(piece6(14, 0, options, True, next_header=60))
    capture.add(piece6(14, len(options), whole, False, next_header=60))
    # 25, 26: overlap, as in IPv4.
    capture.add(piece6(15, 0, whole[:800], True))
    capture.add(piece6(15, 792, whole[792:], False))
    # 27: two fragment headers, one in the other.
    capture.add(Ether(src=ROUTER, dst=WEB) / IPv6(
        src="fd00:10:0:2::14", dst="fd00:10:0:1::a") / IPv6ExtHdrFragment(
            nh=44, id=16) / IPv6ExtHdrFragment(nh=17, id=17) / Raw(datagram(size=64)))
    # 28: an echo request, not fragmented, shows that the rest still works.
    capture.add(Ether(src=ROUTER, dst=WEB) / IPv6(
        src="fd00:10:0:2::14", dst="fd00:10:0:1::a") / ICMPv6EchoRequest(id=1, seq=1))
    return capture.packets


if __name__ == "__main__":
    makers = {"geneve": make_geneve, "fragments": make_fragments}
    if len(sys.argv) != 3 or sys.argv[1] not in makers:
        sys.exit(__doc__)
    wrpcap(sys.argv[2], makers[sys.argv[1]]())
