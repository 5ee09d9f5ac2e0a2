"""Sends a list of packets through the conntrack of Open vSwitch's userspace datapath.

A switch of its own: daemons with all their files in one folder, ports that are no devices. What
comes out of a port is written to a capture, which is read as it grows.
"""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

import lab
import packets
import switch_differences

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
COMMANDS = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl",
            "ovs-appctl")
PATIENCE = 10.0
# What the flows write into DSCP.
OUTCOMES = {1: "new", 2: "established", 3: "related", 4: "refused", 5: "invalid"}

EGRESS = (
    "tcp,tp_dst={range}", "udp,tp_dst={range}", "icmp", "tcp6,tp_dst={range}", "udp6,tp_dst={range}",
    "icmp6", "ip,nw_proto=50", "ipv6,nw_proto=50")
INGRESS = (
    "tcp,tp_dst={tcp}", "udp,tp_dst={udp}", "icmp,icmp_type=8", "tcp6,tp_dst={tcp}",
    "udp6,tp_dst={udp}", "icmp6,icmp_type=128", "ip,nw_proto=47", "ipv6,nw_proto=47")


def obstacle():
    """Why Open vSwitch cannot be asked here; None when it can."""
    missing = [name for name in COMMANDS if not shutil.which(name)]
    if missing or not os.path.exists(SCHEMA):
        return f"needs {', '.join(missing) or SCHEMA}: apt-get install openvswitch-switch-dpdk"
    return None


def masks(low, high):
    """Value and mask of the aligned blocks that a range of ports is made of."""
    while low <= high:
        size = low & -low or 0x10000
        while low + size - 1 > high:
            size >>= 1
        yield f"{low:#x}/{0x10000 - size:#x}"
        low += size


def flows():
    """The rules of model.yaml as flows; ports of A and B are 1 and 2."""
    lines = []
    for here, there in ((1, 2), (2, 1)):
        for family in ("ip", "ipv6"):
            lines += [
                f"table=0,priority=20,{family},in_port={here},nw_proto={lab.MARKER_PROTOCOL}"
                f",actions=output:{there}",
                f"table=0,priority=10,{family},in_port={here},actions=ct(table=1,zone=1)"]
            for priority, state, mark in ((50, "+inv", 5), (40, "+rel", 3), (30, "+est", 2)):
                lines.append(f"table=1,priority={priority},{family},in_port={here}"
                             f",ct_state=+trk{state},actions=set_field:{mark}->ip_dscp"
                             f",output:{there}")
            lines.append(f"table=1,priority=1,{family},in_port={here}"
                         f",actions=set_field:4->ip_dscp,output:{there}")
    # Pieces have no ports to match, the first has none either (ovs-fields(7), "Fragments"). They
    # come out of conntrack with what the whole datagram is, and go into it again to be committed.
    lines += [f"table=1,priority=15,{family},ip_frag=yes,in_port=1,ct_state=+trk+new"
              ",actions=ct(commit,zone=1),set_field:1->ip_dscp,output:2"
              for family in ("ip", "ipv6")]
    for here, there, rules, end in ((1, 2, EGRESS, "dst"), (2, 1, INGRESS, "src")):
        for rule in rules:
            network = f"ipv6_{end}=fd00:10:0:2::/64" if rule.split(",")[0] in (
                "tcp6", "udp6", "icmp6", "ipv6") else f"nw_{end}=10.0.2.0/24"
            ranges = {"range": lab.EGRESS_PORTS, "tcp": lab.INGRESS_TCP, "udp": lab.INGRESS_UDP}
            named = next((name for name in ranges if f"{{{name}}}" in rule), None)
            matches = [rule] if named is None else [
                rule.format(**{named: mask}) for mask in masks(*ranges[named])]
            lines += [f"table=1,priority=20,{match},in_port={here},{network},ct_state=+trk+new"
                      f",actions=ct(commit,zone=1),set_field:1->ip_dscp,output:{there}"
                      for match in matches]
    return lines


class Switch:
    """The daemons, from `with` to its end."""

    def __init__(self, folder, limit):
        self.folder = folder
        self.limit = limit
        self.environment = {**os.environ, "OVS_RUNDIR": folder, "OVS_LOGDIR": folder,
                            "OVS_DBDIR": folder, "OVS_SYSCONFDIR": folder}
        self.daemons = []
        self.places = {1: 0, 2: 0}

    def run(self, *command):
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=30)

    def start(self, *command):
        with open(f"{self.folder}/{command[0]}.out", "w", encoding="utf-8") as output:
            self.daemons.append(subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=output))

    def wait_for(self, path):
        limit = time.monotonic() + PATIENCE
        while not os.path.exists(path):
            if time.monotonic() > limit:
                raise RuntimeError(f"{os.path.basename(path)} did not come")
            time.sleep(0.02)

    def __enter__(self):
        folder, database = self.folder, f"unix:{self.folder}/db.sock"
        try:
            self.run("ovsdb-tool", "create", f"{folder}/conf.db", SCHEMA)
            self.start("ovsdb-server", f"--remote=punix:{folder}/db.sock",
                       f"--unixctl={folder}/db.ctl", f"{folder}/conf.db")
            self.wait_for(f"{folder}/db.sock")
            self.start("ovs-vswitchd", "--enable-dummy=override", "--disable-system",
                       f"--unixctl={folder}/vs.ctl", database)
            command = ["ovs-vsctl", f"--db={database}", "add-br", "br0", "--", "set", "bridge",
                       "br0", "datapath-type=dummy", "fail-mode=secure"]
            for port in (1, 2):
                command += ["--", "add-port", "br0", f"p{port}", "--", "set", "interface",
                            f"p{port}", "type=dummy", f"ofport_request={port}", "mtu_request=9000",
                            f"options:tx_pcap={folder}/{port}.pcap"]
            self.run(*command)
            with open(f"{folder}/flows", "w", encoding="ascii") as file:
                file.write("\n".join(flows()))
            self.run("ovs-ofctl", "add-flows", f"unix:{folder}/br0.mgmt", f"{folder}/flows")
            for family in ("v4", "v6"):
                self.run("ovs-appctl", "-t", f"{folder}/vs.ctl", "dpctl/ipf-set-min-frag", family,
                         str(switch_differences.SMALLEST_PIECE))
            if self.limit:
                self.run("ovs-appctl", "-t", f"{folder}/vs.ctl", "dpctl/ct-set-limits",
                         f"zone=1,limit={self.limit}")
            self.control = socket.socket(socket.AF_UNIX)
            self.control.settimeout(PATIENCE)
            self.control.connect(f"{folder}/vs.ctl")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def receive(self, port, packet):
        """Has a port receive a packet."""
        frame = packets.ethernet(lab.PEER_MAC, lab.ROUTER_MAC, packet)
        self.control.sendall(json.dumps({
            "id": 0, "method": "netdev-dummy/receive", "params": [f"p{port}", frame.hex()]
        }).encode())
        answer = json.loads(self.control.recv(65536))
        if answer.get("error"):
            raise RuntimeError(f"the switch refused a packet: {answer['error']}")

    def sent(self, port):
        """What came out of a port since the last call."""
        found = []
        with open(f"{self.folder}/{port}.pcap", "rb") as file:
            data = file.read()
        position = self.places[port] or 24
        while len(data) >= position + 16:
            length = struct.unpack("<I", data[position + 8 : position + 12])[0]
            if len(data) < position + 16 + length:
                break
            found.append(data[position + 16 : position + 16 + length])
            position += 16 + length
        self.places[port] = position
        return found

    def pass_through(self, number, side, packet, tag):
        """Sends a packet and a marker behind it; what came out before the marker is the outcome."""
        here, there = (1, 2) if side == "a" else (2, 1)
        self.receive(here, packet)
        self.receive(here, packets.ip(
            *lab.MARKER[side], lab.MARKER_PROTOCOL, b"", number & 0xFFFF))
        outcome = "held"
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            for frame in self.sent(there):
                seen, dscp, is_marker = packets.read_tag(frame)
                if is_marker and seen == number & 0xFFFF:
                    return outcome
                if seen == tag and not is_marker:
                    outcome = OUTCOMES.get(dscp, "unmarked")
            time.sleep(0.0005)
        raise RuntimeError(f"the marker behind packet {number} did not come through")


def ask(pieces, folder, limit=None):
    """The outcome of every piece, with a limit on connections or none; what connections were in before is not asked."""
    place = f"{folder}/switch"
    os.mkdir(place)
    with Switch(place, limit) as switch:
        return [{"outcome": switch.pass_through(number, entry["side"], piece, entry["tag"]),
                 "before": ""} for number, (entry, piece) in enumerate(pieces, 1)]
