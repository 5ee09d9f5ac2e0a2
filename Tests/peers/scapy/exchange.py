"""Has the engine answer, carry and open frames that scapy encoded, and reads what it made of them.

    exchange.py APUS [SEED]

Every frame that leaves is decoded by scapy, field by field, and written anew with all lengths and
checksums made by scapy: the bytes must be the same. Prints a line for each exchange; exits 1 when
one differs.
"""

import os
import random as randomness
import subprocess
import sys
import tempfile

from scapy.all import (
    ARP, BOOTP, DHCP, Ether, ICMP, IP, IPv6, NoPayload, PcapNgReader, Raw, TCP, UDP, wrpcap)
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.dhcp6 import (
    DHCP6_Advertise, DHCP6_InfoRequest, DHCP6_Reply, DHCP6_Request, DHCP6_Solicit,
    DHCP6OptClientId, DHCP6OptElapsedTime, DHCP6OptIA_NA, DHCP6OptIAAddress, DHCP6OptServerId,
    DUID_LL)
from scapy.layers.inet6 import (
    ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig)
from scapy.layers.vxlan import VXLAN

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST, NEIGHBOR = "02:00:00:00:00:0a", "02:00:00:00:00:14"
HOST, GATEWAY = "02:aa:00:00:00:01", "02:aa:00:00:00:fe"
V4, V6 = "10.0.1.10", "fd00:10:0:1::a"
FAR4, FAR6 = "10.0.1.20", "fd00:10:0:1::14"
VNI = 703710


class Difference(Exception):
    pass


def expect(name, found, wanted):
    if found != wanted:
        raise Difference(f"{name} is {found!r}, not {wanted!r}")


def rewritten(data):
    """The frame with every length and checksum made by scapy; a UDP checksum of zero over IPv4
    stays zero."""
    frame = Ether(data)
    layer, below = frame, None
    while not isinstance(layer, NoPayload):
        if isinstance(layer, IP):
            layer.len = layer.chksum = layer.ihl = None
        elif isinstance(layer, IPv6):
            layer.plen = None
        elif isinstance(layer, UDP):
            layer.len = None
            if layer.chksum or isinstance(below, IPv6):
                layer.chksum = None
        elif isinstance(layer, (TCP, ICMP)):
            layer.chksum = None
        elif "cksum" in layer.fields:
            layer.cksum = None
        if isinstance(layer, ICMPv6PacketTooBig) or isinstance(layer, ICMP) and layer.type == 3:
            # What an error quotes stays as it was sent.
            break
        below, layer = layer, layer.payload
    return bytes(frame)


def replay(apus, frames, model_edit, at):
    """What leaves when these frames come, one after another."""
    with tempfile.TemporaryDirectory(prefix="apus-scapy-") as folder:
        capture, model, out = (f"{folder}/{name}" for name in ("in.pcap", "m.yaml", "out.pcapng"))
        with open(f"{HERE}/model.yaml", encoding="ascii") as file:
            text = model_edit(file.read())
        with open(model, "w", encoding="ascii") as file:
            file.write(text)
        for number, frame in enumerate(frames):
            frame.time = 1_700_000_000 + number * 0.001
        wrpcap(capture, frames, linktype=1)
        subprocess.run([apus, "replay", "--rules", model, "--at", at, "--out", out, capture],
                       check=True, capture_output=True, timeout=30)
        if not os.path.exists(out):
            return []
        return [bytes(packet) for packet in PcapNgReader(out)]


# Services: a request, and what its answer must say.

def arp():
    request = Ether(src=GUEST, dst="ff:ff:ff:ff:ff:ff") / ARP(
        op=1, hwsrc=GUEST, psrc=V4, pdst=FAR4)

    def check(frame):
        expect("destination", frame.dst, GUEST)
        expect("operation", frame[ARP].op, 2)
        expect("addresses", (frame[ARP].psrc, frame[ARP].pdst), (FAR4, V4))
        expect("target MAC", frame[ARP].hwdst, GUEST)
        expect("sender MAC", frame[ARP].hwsrc, frame.src)
        expect("sizes", (frame[ARP].hwtype, frame[ARP].ptype, frame[ARP].hwlen, frame[ARP].plen),
               (1, 0x800, 6, 4))
    return request, check


def neighbor():
    request = (Ether(src=GUEST, dst="33:33:ff:00:00:14") / IPv6(src=V6, dst="ff02::1:ff00:14")
               / ICMPv6ND_NS(tgt=FAR6) / ICMPv6NDOptSrcLLAddr(lladdr=GUEST))

    def check(frame):
        expect("destination", (frame.dst, frame[IPv6].dst, frame[IPv6].hlim), (GUEST, V6, 255))
        expect("source", frame[IPv6].src, FAR6)
        expect("target", frame[ICMPv6ND_NA].tgt, FAR6)
        expect("flags", (frame[ICMPv6ND_NA].S, frame[ICMPv6ND_NA].O), (1, 1))
        expect("MAC option", frame[ICMPv6NDOptDstLLAddr].lladdr, frame.src)
    return request, check


def router():
    request = (Ether(src=GUEST, dst="33:33:00:00:00:02") / IPv6(src="fe80::ff:fe00:a", dst="ff02::2")
               / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=GUEST))

    def check(frame):
        advertisement = frame[ICMPv6ND_RA]
        expect("source and hop limit", (frame[IPv6].src, frame[IPv6].hlim), ("fe80::1", 255))
        expect("MAC option", frame[ICMPv6NDOptSrcLLAddr].lladdr, frame.src)
        expect("managed", advertisement.M, 1)
        expect("is a router", advertisement.routerlifetime > 0, True)
    return request, check


def dhcp_frame(kind, *options, identifier):
    return (Ether(src=GUEST, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255")
            / UDP(sport=68, dport=67)
            / BOOTP(chaddr=bytes.fromhex(GUEST.replace(":", "")) + bytes(10), xid=identifier)
            / DHCP(options=[("message-type", kind), *options, "end"]))


def dhcp(kind, answer):
    def exchange(random):
        identifier = random.getrandbits(32)
        options = [("requested_addr", V4), ("server_id", "10.0.1.1")] if kind == "request" else []
        options.append(("param_req_list", [1, 3, 6, 26, 51, 54]))

        def check(frame):
            named = dict(option for option in frame[DHCP].options if isinstance(option, tuple))
            expect("kind", named["message-type"], answer)
            expect("transaction", frame[BOOTP].xid, identifier)
            expect("address", frame[BOOTP].yiaddr, V4)
            expect("operation", (frame[BOOTP].op, frame[BOOTP].htype, frame[BOOTP].hlen), (2, 1, 6))
            expect("hardware", frame[BOOTP].chaddr[:6].hex(":"), GUEST)
            expect("mask and router", (named["subnet_mask"], named["router"]),
                   ("255.255.255.0", "10.0.1.1"))
            expect("server", (named["server_id"], frame[IP].src), ("10.0.1.1", "10.0.1.1"))
            expect("MTU", named["interface-mtu"], 1450)
            expect("lease", named["lease_time"] > 0, True)
            expect("ports", (frame[UDP].sport, frame[UDP].dport), (67, 68))
            expect("has a checksum", frame[UDP].chksum != 0, True)
        return dhcp_frame(kind, *options, identifier=identifier), check
    return exchange


def dhcp6(message, answer):
    def exchange(random):
        identifier, association = random.getrandbits(24), random.getrandbits(32)
        client = DUID_LL(lladdr=GUEST)
        request = (Ether(src=GUEST, dst="33:33:00:01:00:02")
                   / IPv6(src="fe80::ff:fe00:a", dst="ff02::1:2") / UDP(sport=546, dport=547)
                   / message(trid=identifier) / DHCP6OptElapsedTime()
                   / DHCP6OptClientId(duid=client))
        has_address = message is not DHCP6_InfoRequest
        if message is DHCP6_Request:
            # The router's DUID is made of its MAC address (RFC 8415 section 11.4).
            request = request / DHCP6OptServerId(duid=DUID_LL(lladdr="02:61:70:75:73:01"))
        if has_address:
            request = request / DHCP6OptIA_NA(iaid=association)

        def check(frame):
            expect("transaction", frame[answer].trid, identifier)
            expect("client", bytes(frame[DHCP6OptClientId].duid), bytes(client))
            expect("server", DHCP6OptServerId in frame, True)
            expect("ports", (frame[UDP].sport, frame[UDP].dport), (547, 546))
            if has_address:
                expect("association", frame[DHCP6OptIA_NA].iaid, association)
                lease = frame[DHCP6OptIA_NA].ianaopts[0]
                expect("lease", (isinstance(lease, DHCP6OptIAAddress), lease.addr), (True, V6))
                expect("lifetimes", 0 < lease.preflft <= lease.validlft, True)
        return request, check
    return exchange


def too_big(version):
    def exchange(random):
        data = Raw(bytes(random.getrandbits(8) for _ in range(1440)))
        if version == 4:
            inner = IP(src=V4, dst=FAR4, flags="DF") / UDP(sport=4000, dport=4001) / data
        else:
            inner = IPv6(src=V6, dst=FAR6) / UDP(sport=4000, dport=4001) / data

        def check(frame):
            quote = bytes(inner)
            if version == 4:
                expect("kind", (frame[ICMP].type, frame[ICMP].code), (3, 4))
                expect("MTU", frame[ICMP].nexthopmtu, 1450)
                expect("addresses", (frame[IP].dst, frame[IP].src), (V4, "10.0.1.1"))
                quoted = bytes(frame[ICMP].payload)
            else:
                expect("MTU", frame[ICMPv6PacketTooBig].mtu, 1450)
                expect("destination", frame[IPv6].dst, V6)
                quoted = bytes(frame[ICMPv6PacketTooBig].payload)
            expect("quotes enough", len(quoted) >= 28, True)
            expect("quote", quoted, quote[:len(quoted)])
        return Ether(src=GUEST, dst="02:61:70:75:73:01") / inner, check
    return exchange


# Packets on their way.

def inner_packet(random, sends, version):
    data = Raw(bytes(random.getrandbits(8) for _ in range(random.randint(0, 900))))
    upper = random.choice((
        TCP(sport=random.getrandbits(16) or 1, dport=443, flags="S", seq=random.getrandbits(32),
            options=[("MSS", 1400), ("SAckOK", b""), ("WScale", 7)]),
        UDP(sport=random.randint(20_000, 60_000), dport=20_000) / data,
        None))
    if version == 4:
        here, there = (V4, FAR4) if sends else (FAR4, V4)
        return IP(src=here, dst=there, ttl=64, id=random.getrandbits(16)) / (
            upper or ICMP(type=8, id=random.getrandbits(16)) / data)
    here, there = (V6, FAR6) if sends else (FAR6, V6)
    return IPv6(src=here, dst=there, fl=random.getrandbits(20)) / (
        upper or ICMPv6EchoRequest(id=random.getrandbits(16), data=b"ping"))


def outgoing(version, kind):
    def exchange(random):
        packet = inner_packet(random, True, version)
        request = Ether(src=GUEST, dst="02:61:70:75:73:01") / packet

        def check(frame):
            expect("outer MACs", (frame.src, frame.dst), (HOST, GATEWAY))
            expect("outer addresses", (frame[IP].src, frame[IP].dst), ("192.0.2.1", "192.0.2.2"))
            expect("not to be fragmented", int(frame[IP].flags) & 2, 2)
            if kind == "geneve":
                tunnel = frame[GENEVE]
                expect("port", frame[UDP].dport, 6081)
                expect("header", (tunnel.version, tunnel.optionlen, tunnel.oam, tunnel.critical,
                                  tunnel.proto, tunnel.reserved2), (0, 0, 0, 0, 0x6558, 0))
            else:
                tunnel = frame[VXLAN]
                expect("port", frame[UDP].dport, 4789)
                expect("flags", (int(tunnel.flags), tunnel.reserved2), (8, 0))
            expect("VNI", tunnel.vni, VNI)
            expect("source port", frame[UDP].sport >= 1024, True)
            inside = bytes(tunnel.payload)
            expect("inner MACs", (inside[:6].hex(":"), inside[6:12].hex(":")), (NEIGHBOR, GUEST))
            expect("inner packet", inside[14:], bytes(packet))
        return request, check
    return exchange


def incoming(version, kind):
    def exchange(random):
        packet = inner_packet(random, False, version)
        inside = Ether(src=NEIGHBOR, dst=GUEST) / packet
        outer = Ether(src=GATEWAY, dst=HOST) / IP(src="192.0.2.2", dst="192.0.2.1", id=1)
        if kind == "geneve":
            options = [GeneveOptions(classid=0x0102, type=random.randint(0, 0x7F),
                                     data=bytes(4 * random.randint(0, 3)))
                       for _ in range(random.randint(0, 3))]
            request = outer / UDP(sport=50_000, dport=6081) / GENEVE(
                vni=VNI, proto=0x6558, options=options) / inside
        else:
            request = outer / UDP(sport=50_000, dport=4789) / VXLAN(vni=VNI, flags=8) / inside

        def check(frame):
            expect("MACs", (frame.src, frame.dst), ("02:61:70:75:73:01", GUEST))
            expect("packet", bytes(frame)[14:], bytes(packet))
        return request, check
    return exchange


def exchanges(random, kind):
    """(name, request, check) of all that is compared."""
    makers = [("ARP", lambda random: arp()), ("neighbour solicitation", lambda random: neighbor()),
              ("router solicitation", lambda random: router()),
              ("DHCP discover", dhcp("discover", 2)), ("DHCP request", dhcp("request", 5)),
              ("DHCPv6 solicit", dhcp6(DHCP6_Solicit, DHCP6_Advertise)),
              ("DHCPv6 request", dhcp6(DHCP6_Request, DHCP6_Reply)),
              ("DHCPv6 information", dhcp6(DHCP6_InfoRequest, DHCP6_Reply))]
    for version in (4, 6):
        makers.append((f"too big, IPv{version}", too_big(version)))
        for number in range(12):
            makers.append((f"{kind} out, IPv{version}, {number}", outgoing(version, kind)))
            makers.append((f"{kind} in, IPv{version}, {number}", incoming(version, kind)))
    return [(name, *make(random)) for name, make in makers]


def main():
    apus, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    failed = count = 0
    for kind in ("geneve", "vxlan"):
        listed = exchanges(randomness.Random(seed), kind)
        requests = [Ether(bytes(request)) for _, request, _ in listed]
        sent = replay(apus, requests, lambda text: text.replace(
            "  mtu: 1500", f"  mtu: 1500\n  encapsulation: {kind}"), "nic")
        if len(sent) != len(listed):
            print(f"{len(listed)} frames came and {len(sent)} left")
            for name, request, check in listed:
                alone = replay(apus, [Ether(bytes(request))], lambda text: text, "nic")
                if len(alone) != 1:
                    print(f"{name}: {len(alone)} left")
            return 1
        for (name, _, check), data in zip(listed, sent):
            count += 1
            try:
                check(Ether(data))
                expect("written anew", rewritten(data).hex(), data.hex())
            except (Difference, IndexError, KeyError) as error:
                failed += 1
                print(f"{name}: {error}")
    print(f"{count} exchanges, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
