"""A guest of scripts/soak that sends wrong packets through its own interface until its input ends.

    rude.py INTERFACE OWN-MAC SEED

Frames that hosts see (UDP, TCP, ICMP, fragments, IPv6 with extension headers, ARP, DHCP, tunnels), each
with some bytes changed, cut short or drawn out; prints how many it sent.
"""
import random
import select
import socket
import struct
import sys
import time

GATEWAY = bytes.fromhex("020000000001")
OWN = bytes([10, 0, 1, 14])
OTHERS = [bytes([10, 0, 1, last]) for last in (10, 11, 12, 13, 14, 1)]


def sum16(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def internet4(chance, protocol, payload, fragment=0):
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), chance.randrange(65536), fragment,
                       64, protocol, 0) + OWN + chance.choice(OTHERS)
    return b"\x08\x00" + head[:10] + struct.pack("!H", sum16(head)) + head[12:] + payload


def internet6(chance, protocol, payload):
    source, target = (bytes.fromhex("fd00") + bytes(13) + bytes([last]) for last in (14, 11))
    return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source + (
        target + payload)


def ports(chance, rest):
    return struct.pack("!HH", chance.randrange(65536), chance.choice([7000, 53, 67, 547, 4789, 6081])) + rest


def packet(chance):
    """One of what hosts see, whole."""
    text = chance.randbytes(chance.choice([0, 1, 8, 64, 300, 1400]))
    udp = ports(chance, struct.pack("!HH", 8 + len(text), 0) + text)
    tcp = ports(chance, chance.randbytes(8) + bytes([0x50, chance.randrange(256)]) + bytes(6) + text)
    kinds = [
        lambda: internet4(chance, 17, udp),
        lambda: internet4(chance, 6, tcp),
        lambda: internet4(chance, 1, bytes([chance.choice([0, 3, 5, 8, 11])]) + bytes(7) + text),
        lambda: internet4(chance, 17, udp, chance.choice([0x2000, 1, 0x2001, 0x1FFF, 0x4000])),
        lambda: internet4(chance, chance.randrange(256), text),
        lambda: internet6(chance, chance.choice([0, 43, 44, 60]),
                          bytes([chance.choice([6, 17, 58, 0, 60]), chance.randrange(4)])
                          + bytes(6) + udp),
        lambda: internet6(chance, 58, bytes([chance.choice([133, 134, 135, 136, 137])]) + text),
        lambda: b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, chance.choice([1, 2])) + (
            chance.randbytes(6) + chance.choice(OTHERS) + bytes(6) + chance.choice(OTHERS)),
        lambda: b"\x81\x00" + chance.randbytes(2) + internet4(chance, 17, udp),
    ]
    return chance.choice(kinds)()


def frame(chance, own):
    """A packet in a frame, with faults more often than not."""
    data = bytearray(GATEWAY + (own if chance.random() < 0.9 else chance.randbytes(6)) + packet(chance))
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        data[chance.randrange(12, len(data))] = chance.randrange(256)
    if chance.random() < 0.2:
        del data[chance.randrange(14, len(data) + 1):]
    if chance.random() < 0.1:
        data += chance.randbytes(64)
    return bytes(data[:1514])


def main():
    chance = random.Random(int(sys.argv[3]))
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((sys.argv[1], 0))
    own = bytes.fromhex(sys.argv[2].replace(":", ""))
    sent = 0
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        for _ in range(5):
            try:
                link.send(frame(chance, own))
                sent += 1
            except OSError:
                time.sleep(0.01)
    print(sent)


if __name__ == "__main__":
    main()
