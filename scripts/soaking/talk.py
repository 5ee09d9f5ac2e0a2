"""What a good guest of scripts/soak says, in its namespace: pings, answers to those of the other, and
datagrams to 100 ports.

    talk.py OWN-ADDRESS OTHER-ADDRESS

Is told by lines: `go` begins a round, `stop` ends sending and prints what was sent, `expect N` waits
until N datagrams of the other side and all answers are there, and prints what came. Prints JSON lines.
"""
import collections
import json
import os
import random
import select
import socket
import struct
import sys
import time

TICK = 0.01  # Seconds between two pings.
DATAGRAMS = 5  # For each ping.
PORTS = range(7000, 7100)
PATIENCE = 300  # Seconds that answers may take once nothing more is sent.
SO_RCVBUFFORCE, SOL_RAW, ICMP_FILTER = 33, 255, 1
TEXT = random.Random(1).randbytes(1400)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Guest:
    def __init__(self, own, other):
        self.other = other
        self.identifier = os.getpid() & 0xFFFF
        self.icmp = self.open(socket.SOCK_RAW, socket.IPPROTO_ICMP)
        # Of all messages echo requests and replies only.
        self.icmp.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", ~(1 << 8 | 1 << 0) & 0xFFFFFFFF))
        self.out = self.open(socket.SOCK_DGRAM)
        self.poll = select.epoll()
        self.receivers = {}
        for port in PORTS:
            receiver = self.open(socket.SOCK_DGRAM)
            receiver.bind((own, port))
            self.receivers[receiver.fileno()] = receiver
            self.poll.register(receiver, select.EPOLLIN)
        for always in (self.icmp, sys.stdin):
            self.poll.register(always, select.EPOLLIN)
        self.begin()

    @staticmethod
    def open(*kind):
        opened = socket.socket(socket.AF_INET, *kind)
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        opened.setblocking(False)
        return opened

    def begin(self):
        self.pending = {}
        self.pings = self.datagrams = self.refused = 0
        self.seen = bytearray()
        self.came = collections.Counter()
        self.times = []

    def ping(self):
        number = self.pings & 0xFFFF
        head = struct.pack("!BBHHH", 8, 0, 0, self.identifier, number)
        text = head + TEXT[:48]
        self.send(self.icmp, text[:2] + struct.pack("!H", checksum(text)) + text[4:], 0)
        self.pending[number] = time.monotonic()
        self.pings += 1

    def send(self, link, data, port):
        """What the guest's own kernel refuses is not sent yet: it is tried again."""
        for _ in range(1000):
            try:
                link.sendto(data, (self.other, port))
                return
            except OSError:
                self.refused += 1
                time.sleep(0.01)
        raise SystemExit("the guest's own kernel takes nothing")

    def tick(self):
        self.ping()
        for _ in range(DATAGRAMS):
            size = 8 + self.datagrams % 1300
            self.send(self.out, struct.pack("!I", self.datagrams) + TEXT[:size],
                      PORTS[self.datagrams % len(PORTS)])
            self.datagrams += 1

    def take_answers(self):
        while True:
            try:
                packet = self.icmp.recv(2048)
            except BlockingIOError:
                return
            kind, _, _, identifier, number = struct.unpack_from("!BBHHH", packet, 20)
            if kind == 8:
                text = bytes(4) + packet[24:]
                self.send(self.icmp, text[:2] + struct.pack("!H", checksum(text)) + text[4:], 0)
            if kind != 0 or identifier != self.identifier:
                continue
            begun = self.pending.pop(number, None)
            if begun is None:
                self.came["answers twice"] += 1
            else:
                self.times.append((time.monotonic() - begun, begun))

    def take_datagrams(self, receiver):
        while True:
            try:
                data = receiver.recv(2048)
            except BlockingIOError:
                return
            number = struct.unpack_from("!I", data)[0] if len(data) >= 12 else 0
            if len(data) != 12 + number % 1300 or data[4:] != TEXT[:len(data) - 4]:
                self.came["spoilt"] += 1
                continue
            if number >= len(self.seen):
                self.seen.extend(bytes(number + 1024 - len(self.seen)))
            self.came["twice" if self.seen[number] else "datagrams"] += 1
            self.seen[number] = 1

    def serve(self, seconds):
        """Takes what comes for so long; returns a line of the script, if there is one."""
        for descriptor, _ in self.poll.poll(max(0, seconds)):
            if descriptor == self.icmp.fileno():
                self.take_answers()
            elif descriptor == sys.stdin.fileno():
                return sys.stdin.readline() or "end"
            else:
                self.take_datagrams(self.receivers[descriptor])
        return None

    def talk(self):
        """Sends until it is told otherwise. A tick that was missed is not made up for."""
        due = time.monotonic()
        while True:
            if time.monotonic() >= due:
                self.tick()
                due = max(due + TICK, time.monotonic())
            line = self.serve(due - time.monotonic())
            if line:
                return line

    def wait(self, expected):
        end = time.monotonic() + PATIENCE
        while (self.pending or self.came["datagrams"] < expected) and time.monotonic() < end:
            if self.serve(0.2):
                raise SystemExit("told something while it waited")
        self.serve(0.1)
        times = sorted(self.times) or [(0, 0)]
        return {"pings": self.pings, "unanswered": sorted(self.pending.values()), **self.came,
                "median ms": 1000 * times[len(times) // 2][0], "worst ms": 1000 * times[-1][0],
                "worst at": times[-1][1]}


def main():
    guest = Guest(*sys.argv[1:3])
    while True:
        line = guest.serve(1)
        if line == "go\n":
            # What the other side said before this side began counts too.
            line = guest.talk()
        if line == "stop\n":
            print(json.dumps({"sent": guest.datagrams}), flush=True)
        elif line and line.startswith("expect "):
            print(json.dumps(guest.wait(int(line.split()[1]))), flush=True)
            guest.begin()
            print(json.dumps({"ready": True}), flush=True)
        elif line:
            return


if __name__ == "__main__":
    main()
