"""Faults that scripts/soak --plant makes, of which each has to be found: that its checks can fail."""
import os
import signal
import sys
import time

from soaking.host import must

# Takes part in a tap beside the daemon, and reads what the kernel gives it.
THIEF = """
import fcntl, os, struct
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", b"tap-left", 0x0002 | 0x1000 | 0x0100))
while True: os.read(tap, 65536)
"""
PORT = """\
networkInterfaces:
  - {id: eni-forgotten, subnet: s, mac: "02:00:00:00:00:0f", addresses: [10.0.1.15], securityGroups: [sg]}
ports: [{eni: eni-forgotten, vhostUser: {socket: WORK/forgotten.sock}}]
"""


def filter_datagrams(host, action):
    for line in ("add table ip soak", "add chain ip soak in { type filter hook input priority 0; }",
                 f"add rule ip soak in udp dport 7000-7099 numgen random mod 100 == 0 {action}"):
        must(host.inside("right", "nft", line))


def loss(host):
    """A datagram in 100 vanishes on its way, and nobody counts it."""
    filter_datagrams(host, "drop")


def bytes_(host):
    """A datagram in 100 comes with another byte."""
    filter_datagrams(host, "@th,160,8 set 0x55 udp checksum set 0")


def theft(host):
    """The kernel counts packets to a tap that the daemon never sees."""
    host.child(host.inside("host", sys.executable, "-c", THIEF))


def port(host):
    """A guest's port is attached and forgotten."""
    host.client("apply", "--patch", "-f", host.write("forgotten.yaml", PORT))


def stall(host):
    """The daemon stops for longer than what queues hold."""
    daemon = host.process("data-plane.lock")
    os.kill(daemon, signal.SIGSTOP)
    time.sleep(30)
    os.kill(daemon, signal.SIGCONT)


FAULTS = {"loss": loss, "bytes": bytes_, "theft": theft, "port": port, "stall": stall}
