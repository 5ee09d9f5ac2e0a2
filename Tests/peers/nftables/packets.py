"""Builds IP packets and writes them as a capture, with nothing but the standard library."""

import ipaddress
import struct

MARKER_PROTOCOL = 253  # RFC 3692: for experiments
ICMP, TCP, UDP, GRE, ESP, ICMPV6, SCTP = 1, 6, 17, 47, 50, 58, 132

# The flags of a TCP header (RFC 9293 section 3.1).
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << bit for bit in range(8))


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address):
    return ipaddress.ip_address(address).packed


def pseudo_header(source, destination, protocol, length):
    """What a transport checksum covers besides the segment (RFC 9293, RFC 8200 section 8.1)."""
    if ":" in source:
        tail = struct.pack("!I3xB", length, protocol)
    else:
        tail = struct.pack("!xBH", protocol, length)
    return packed(source) + packed(destination) + tail


def with_checksum(source, destination, protocol, segment, offset):
    """The segment with its checksum at `offset`."""
    covered = pseudo_header(source, destination, protocol, len(segment)) + segment
    value = checksum(covered)
    return segment[:offset] + struct.pack("!H", value) + segment[offset + 2 :]


def tcp(source, destination, ports, flags, sequence, acknowledgement, window, options, length):
    """A TCP segment with `length` zero bytes of data."""
    options += b"\0" * (-len(options) % 4)
    header = struct.pack(
        "!HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, acknowledgement & 0xFFFFFFFF,
        (5 + len(options) // 4) << 4, flags, window, 0, 0)
    return with_checksum(source, destination, TCP, header + options + bytes(length), 16)


def udp(source, destination, ports, length):
    """A UDP datagram with `length` zero bytes of data."""
    header = struct.pack("!HHHH", *ports, 8 + length, 0)
    return with_checksum(source, destination, UDP, header + bytes(length), 6)


def icmp(source, destination, kind, code, word, body):
    """An ICMP message of either version; `word` is what follows the checksum."""
    message = struct.pack("!BBHI", kind, code, 0, word) + body
    if ":" in source:
        return with_checksum(source, destination, ICMPV6, message, 2)
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def ip(source, destination, protocol, payload, tag, offset=0, more=False):
    """An IP packet, or a fragment of one when `offset` (bytes) or `more` say so.

    `tag` becomes the IPv4 identification or the IPv6 flow label: by it the packet is known again
    behind the router.
    """
    if ":" in source:
        if offset or more:
            payload = struct.pack("!BxHI", protocol, offset | more, tag) + payload
            protocol = 44
        header = struct.pack("!IHBB", 6 << 28 | tag, len(payload), protocol, 64)
        return header + packed(source) + packed(destination) + payload
    header = struct.pack(
        "!BBHHHBBH", 0x45, 0, 20 + len(payload), tag, more << 13 | offset >> 3, 64, protocol, 0)
    header += packed(source) + packed(destination)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def ethernet(source, destination, packet):
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return destination + source + struct.pack("!H", kind) + packet


def read_tag(frame):
    """Tag, DSCP and whether this is a marker, of a frame from the router."""
    packet = frame[14:]
    if frame[12:14] == b"\x86\xdd":
        word = struct.unpack("!I", packet[:4])[0]
        return word & 0xFFFFF, word >> 22 & 63, False
    if frame[12:14] != b"\x08\x00":
        return None, 0, False
    return struct.unpack("!H", packet[4:6])[0], packet[1] >> 2, packet[9] == MARKER_PROTOCOL


def write_capture(path, frames, interval):
    """Writes Ethernet frames as a pcap file, `interval` microseconds apart."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            seconds, microseconds = divmod(number * interval, 1_000_000)
            file.write(struct.pack(
                "<IIII", 1_700_000_000 + seconds, microseconds, len(frame), len(frame)))
            file.write(frame)
