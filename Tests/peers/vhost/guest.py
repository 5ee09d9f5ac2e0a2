#!/usr/bin/env python3
"""A vhost-user front-end of two queue pairs whose first send ring holds what cannot be.

    guest.py SOCKET

Offers a descriptor that leads out of its memory in ring 1, and good frames in ring 3; prints how many
queue pairs the back-end tells of and how many of the good frames it took, then `done`, and leaves when
its input ends. Messages and rings: vhost-user protocol, and virtio 1.2 section 2.7 (split rings).
"""
import array
import mmap
import os
import socket
import struct
import sys
import time

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
VRING_NUM, VRING_ADDR, VRING_BASE, VRING_KICK, VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL, SET_PROTOCOL, GET_QUEUE_NUM, VRING_ENABLE = 15, 16, 17, 18
VERSION_1, PROTOCOL_FEATURES, PROTOCOL_MQ = 1 << 32, 1 << 30, 1
SIZE, ENTRIES, GUEST = 1 << 20, 64, 0x100000

memory_file = os.memfd_create("guest")
os.ftruncate(memory_file, SIZE)
memory = mmap.mmap(memory_file, SIZE)
link = socket.socket(socket.AF_UNIX)
link.settimeout(20)
link.connect(sys.argv[1])


def tell(request, payload=b"", files=()):
    parts = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
    link.sendmsg([struct.pack("<III", request, 1, len(payload)) + payload], parts)


def ask(request):
    tell(request)
    answer = b""
    while len(answer) < 20:
        answer += link.recv(20 - len(answer))
    return struct.unpack("<Q", answer[12:])[0]


def ring(index):
    """Where the parts of a ring stand: descriptors, available, used, buffers."""
    start = index * 0x8000
    return start, start + 0x1000, start + 0x2000, start + 0x3000


def set_up(index):
    descriptors, available, used, _ = ring(index)
    tell(VRING_NUM, struct.pack("<II", index, ENTRIES))
    tell(VRING_BASE, struct.pack("<II", index, 0))
    tell(VRING_ADDR, struct.pack("<IIQQQQ", index, 0, descriptors + GUEST, used + GUEST,
                                 available + GUEST, 0))
    for request in (VRING_KICK, VRING_CALL):
        tell(request, struct.pack("<Q", index), [os.eventfd(0)])
    tell(VRING_ENABLE, struct.pack("<II", index, 1))


def offer(index, slot, address, length):
    descriptors, available, _, _ = ring(index)
    struct.pack_into("<QIHH", memory, descriptors + 16 * slot, address, length, 0, 0)
    struct.pack_into("<H", memory, available + 4 + 2 * slot, slot)
    struct.pack_into("<H", memory, available + 2, slot + 1)


features = ask(GET_FEATURES)
ask(GET_PROTOCOL)
tell(SET_OWNER)
tell(SET_PROTOCOL, struct.pack("<Q", PROTOCOL_MQ))
tell(SET_FEATURES, struct.pack("<Q", features & (VERSION_1 | PROTOCOL_FEATURES)))
print("pairs", ask(GET_QUEUE_NUM), flush=True)
tell(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GUEST, SIZE, GUEST, 0), [memory_file])
for number in range(4):
    set_up(number)
offer(1, 0, GUEST + 64 * SIZE, 100)

_, _, used, buffers = ring(3)
for number in range(10):
    place = buffers + 256 * number
    memory[place:place + 112] = bytes(12) + bytes(range(100))
    offer(3, number, GUEST + place, 112)
taken = 0
for _ in range(200):
    taken = struct.unpack_from("<H", memory, used + 2)[0]
    if taken == 10:
        break
    time.sleep(0.05)
print("taken", taken, flush=True)
print("done", flush=True)
sys.stdin.read()
