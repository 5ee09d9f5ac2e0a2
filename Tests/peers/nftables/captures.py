"""Conversations of captures, moved into the small network that both sides judge.

Addresses become those of the guest and a host B, the port of who began becomes one of its own, and
the other's one that the rules allow, or now and then none of those; everything else of a segment, its numbers, flags and options, stays as somebody's stack sent it.
Checksums do not fit then, and nobody looks: hosts leave them to their devices.
"""

import functools
import glob
import os
import random as randomness
import struct

import lab
import packets
from conversation import OTHER, Flow
from generator import weave

CONVERSATIONS, PACKETS = 120, 40
# What fits the tunnel; a packet that does not is left out, as if it had been lost.
LARGEST = 1400
LITTLE = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">",
          b"\xa1\xb2\x3c\x4d": ">"}


def records(path):
    """Whole Ethernet frames of a classic capture."""
    with open(path, "rb") as file:
        data = file.read(20_000_000)
    order = LITTLE.get(data[:4])
    if not order or struct.unpack(order + "I", data[20:24])[0] & 0xFFFF != 1:
        return
    position = 24
    while position + 16 <= len(data):
        captured, length = struct.unpack(order + "II", data[position + 8 : position + 16])
        if captured == length:
            yield data[position + 16 : position + 16 + captured]
        position += 16 + captured


def segment(frame):
    """(family, source, destination, protocol, payload) of a whole packet without extensions."""
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x08\x00" and len(packet) >= 20 and packet[0] >> 4 == 4:
        start, (length,) = (packet[0] & 15) * 4, struct.unpack("!H", packet[2:4])
        if struct.unpack("!H", packet[6:8])[0] & 0x3FFF or not 20 <= start <= length <= len(packet):
            return None
        return 4, packet[12:16], packet[16:20], packet[9], packet[start:length]
    if kind == b"\x86\xdd" and len(packet) >= 40 and packet[0] >> 4 == 6:
        length = 40 + struct.unpack("!H", packet[4:6])[0]
        if length > len(packet):
            return None
        return 6, packet[8:24], packet[24:40], packet[6], packet[40:length]
    return None


def is_well_formed(protocol, payload):
    """Whether the lengths of a TCP or UDP header are those of what follows."""
    if protocol == packets.TCP:
        return len(payload) >= 20 and 20 <= (payload[12] >> 4) * 4 <= len(payload)
    return len(payload) >= 8 and struct.unpack("!H", payload[4:6])[0] == len(payload)


@functools.cache
def conversations(folder):
    """Lists of (whether who began sent it, payload) with family and protocol, as captured."""
    found = []
    for path in sorted(glob.glob(f"{folder}/*.pcap")):
        known = {}
        for frame in records(path):
            parts = segment(frame)
            if not parts or parts[3] not in (packets.TCP, packets.UDP):
                continue
            family, source, destination, protocol, payload = parts
            if len(payload) > LARGEST or not is_well_formed(protocol, payload):
                continue
            # A group has no answers, and an address to itself no way through a network.
            is_group = destination[0] in (0xFF, *range(224, 240)) if family == 4 else (
                destination[0] == 0xFF)
            if is_group or source == destination:
                continue
            here, there = (source, payload[:2]), (destination, payload[2:4])
            key = (protocol, *sorted((here, there)))
            if key not in known:
                known[key] = (here, [])
                found.append((os.path.basename(path), family, protocol, known[key][1]))
            known[key][1].append((known[key][0] == here, payload))
    return found


def generate(seed, folder):
    """Some conversations of the captures in a folder, woven into one another."""
    random = randomness.Random(seed)
    everything = conversations(folder)
    made = []
    for name, family, protocol, list_ in random.sample(
            everything, min(CONVERSATIONS, len(everything))):
        number = len(made) + 1
        flow = Flow(random, number, name, family)
        opener = random.choice("ab")
        low, high = lab.EGRESS_PORTS if opener == "a" else (
            lab.INGRESS_TCP if protocol == packets.TCP else lab.INGRESS_UDP)
        if random.random() < 0.15:
            low, high = 30_001, 31_000
        own, other = struct.pack("!H", 32_000 + number), struct.pack("!H", random.randint(low, high))
        for is_opener, payload in list_[:PACKETS]:
            moved = (own + other if is_opener else other + own) + payload[4:]
            flow.add(opener if is_opener else OTHER[opener], protocol,
                     lambda source, destination, moved=moved: moved, "captured",
                     port=32_000 + number if protocol == packets.TCP else 0)
        made.append(flow)
    return weave(random, made)
