"""Sends a list of packets through the kernel's nftables and conntrack, one at a time.

    unshare --net kernel.py PACKETS RULES OUTCOMES

Run it in a network namespace of its own, which it fills with two veth pairs and which ends with it.
Reads a JSON list of {"side", "packet", "tag", "port"} and writes a list of {"outcome", "before"}:
what became of the packet, and the TCP state the kernel had its connection in before.
"""

import ctypes
import json
import os
import re
import select
import socket
import subprocess
import sys

import lab
import packets

ETH_P_ALL = 3
PACKET_IGNORE_OUTGOING = 23
STATES = {1: "new", 2: "established", 3: "related"}
# A marker that takes longer was lost: the machine cannot do the comparison.
PATIENCE = 10.0

SETTINGS = {
    "net/ipv4/ip_forward": 1,
    "net/ipv6/conf/all/forwarding": 1,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/router_solicitations": 0,
    "net/netfilter/nf_conntrack_checksum": 0,
    "net/netfilter/nf_conntrack_tcp_loose": 1,
    "net/netfilter/nf_conntrack_tcp_be_liberal": 0,
}


class Nftables:
    """libnftables in this process: a command costs no new one."""

    def __init__(self):
        self.library = ctypes.CDLL("libnftables.so.1")
        self.library.nft_ctx_new.restype = ctypes.c_void_p
        self.library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
        self.library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p

    def run(self, command):
        # A new context each time: an old one answers from its cache.
        context = ctypes.c_void_p(self.library.nft_ctx_new(0))
        self.library.nft_ctx_buffer_output(context)
        self.library.nft_ctx_buffer_error(context)
        try:
            if self.library.nft_run_cmd_from_buffer(context, command.encode()):
                error = self.library.nft_ctx_get_error_buffer(context).decode()
                sys.exit(f"nft refused: {command.strip()[:60]}: {error}")
            return self.library.nft_ctx_get_output_buffer(context).decode()
        finally:
            self.library.nft_ctx_free(context)

    def drop_reason(self):
        """Which counter moved since the last call; "held" when the rules never saw the packet."""
        text = self.run("reset counters table inet peer")
        moved = re.findall(r"counter (\w+) \{\s*packets ([1-9]\d*)", text)
        return moved[0][0] if moved else "held"


def configure(rules):
    commands = []
    router, peer = lab.ROUTER_MAC.hex(":"), lab.PEER_MAC.hex(":")
    for name, end in (("ra", "ga"), ("rb", "gb")):
        commands += [
            f"link add {name} type veth peer name {end}",
            f"link set {name} address {router}",
            f"link set {end} addrgenmode none up",
            f"link set {name} addrgenmode none up",
        ]
    guest = [(lab.GUEST[4], "ra"), (lab.GUEST[6], "ra"), (lab.MARKER["a"][0], "ra")]
    others = [(address, "rb") for family in (4, 6) for address in lab.PEERS[family]]
    others += [(lab.MARKER["b"][0], "rb"), (lab.ON_PATH[4], "rb"), (lab.ON_PATH[6], "rb")]
    for address, name in guest + others:
        mac = lab.GUEST_MAC.hex(":") if name == "ra" else peer
        commands.append(f"route add {address} dev {name}")
        commands.append(f"neigh add {address} lladdr {mac} dev {name} nud permanent")
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True, check=True)
    nftables = Nftables()
    with open(rules, encoding="ascii") as file:
        nftables.run(file.read())
    return nftables


def settings():
    for name, value in SETTINGS.items():
        with open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
            file.write(str(value))


def open_end(name):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)  # SOL_PACKET
    end.bind((name, ETH_P_ALL))
    end.setblocking(False)
    return end


def tcp_state(port):
    """The state of the connection that uses the port, by the kernel's own table."""
    with open("/proc/net/nf_conntrack", encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if fields[2] == "tcp" and f"port={port} " in line:
                return fields[5]
    return ""


class Router:
    def __init__(self, nftables):
        self.nftables = nftables
        self.ends = {"a": open_end("ga"), "b": open_end("gb")}

    def send(self, side, packet):
        self.ends[side].send(packets.ethernet(lab.PEER_MAC, lab.ROUTER_MAC, packet))

    def pass_through(self, number, side, packet, tag):
        """Sends a packet and a marker behind it; what arrived before the marker is the outcome."""
        self.send(side, packet)
        marker = packets.ip(*lab.MARKER[side], lab.MARKER_PROTOCOL, b"", number & 0xFFFF)
        self.send(side, marker)
        arrival = self.ends["b" if side == "a" else "a"]
        outcome = None
        while True:
            if not select.select([arrival], [], [], PATIENCE)[0]:
                sys.exit(f"the marker behind packet {number} did not come through")
            seen, dscp, is_marker = packets.read_tag(arrival.recv(65535))
            if is_marker and seen == number & 0xFFFF:
                return outcome or self.nftables.drop_reason()
            if seen == tag and not is_marker:
                outcome = STATES.get(dscp, "unmarked")


def main():
    packet_list, rules, outcomes = sys.argv[1:]
    with open(packet_list, encoding="ascii") as file:
        entries = json.load(file)
    # One processor: the order of packets is then that of sending.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    settings()
    router = Router(configure(rules))
    router.pass_through(0, "a", packets.ip(*lab.MARKER["a"], lab.MARKER_PROTOCOL, b"", 65535), None)
    router.nftables.drop_reason()
    results = []
    for number, entry in enumerate(entries, 1):
        before = tcp_state(entry["port"]) if entry["port"] else ""
        outcome = router.pass_through(
            number, entry["side"], bytes.fromhex(entry["packet"]), entry["tag"])
        results.append({"outcome": outcome, "before": before})
    with open(outcomes, "w", encoding="ascii") as file:
        json.dump(results, file)


main()
