"""Judges the same seeded packets by the engine and by the kernel, and lists what differs.

The command `compare` beside it starts it and says how. Exits 0 when every difference is of a known
kind, 1 when one is not, 2 when the comparison could not be made.
"""

import argparse
import collections
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile

import captures
import cases
import differences
import generator
import lab
import openvswitch
import packets
import selftests
import switch_differences

HERE = os.path.dirname(os.path.abspath(__file__))
# Between packets, in microseconds: a list then takes far less than the shortest timeout, 10 s.
INTERVAL = 1000
# Of a run, in seconds; a run takes one or two.
ENGINE_LIMIT, KERNEL_LIMIT = 30, 60


class CannotCompare(Exception):
    pass


def run(command, limit):
    """Runs a command to its end; past the limit it is ended by its process id."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise CannotCompare(f"{command[0]} took more than {limit} s") from error
    except OSError as error:
        raise CannotCompare(f"{command[0]}: {error.strerror}") from error
    if result.returncode:
        raise CannotCompare(f"{' '.join(command)}: {result.stderr.strip()}")


def frame(entry, packet):
    """The packet as it is seen at the guest's NIC."""
    if entry["side"] == "a":
        return packets.ethernet(lab.GUEST_MAC, lab.ROUTER_MAC, packet)
    return packets.ethernet(lab.ROUTER_MAC, lab.GUEST_MAC, packet)


def ask_engine(apus, pieces, folder, limit=None):
    """The outcome of every piece: a state if it passes, else the reason."""
    capture, model = f"{folder}/packets.pcap", f"{folder}/mappings.json"
    rules = f"{folder}/model.yaml"
    with open(f"{HERE}/model.yaml", encoding="ascii") as file:
        text = file.read()
    if limit:
        text = text.replace("    mac:", f"    limits: {{connections: {limit}}}\n    mac:")
    with open(rules, "w", encoding="ascii") as file:
        file.write(text)
    packets.write_capture(capture, [frame(entry, piece) for entry, piece in pieces], INTERVAL)
    addresses = lab.PEERS[4] + lab.PEERS[6] + [lab.ON_PATH[4], lab.ON_PATH[6]]
    mappings = [
        {"vpc": "vpc-peer", "address": address, "host": "192.0.2.2", "mac": lab.PEER_MAC.hex(":")}
        for address in addresses]
    with open(model, "w", encoding="ascii") as file:
        json.dump({"version": 1, "mappings": mappings}, file)
    verdicts = f"{folder}/verdicts.jsonl"
    run([apus, "replay", "--rules", rules, "--rules", model, "--verdicts", verdicts,
         capture], ENGINE_LIMIT)
    with open(verdicts, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return [line["state"] if line["verdict"] == "forward" else line["reason"] or line["verdict"]
            for line in lines]


def ask_kernel(pieces, folder, without_rule=None):
    """The outcome of every piece, and the TCP state before it."""
    packet_list, outcomes = f"{folder}/packets.json", f"{folder}/outcomes.json"
    rules = f"{folder}/rules.nft"
    with open(f"{HERE}/rules.nft", encoding="ascii") as file:
        lines = [line for line in file if not without_rule or without_rule not in line]
    with open(rules, "w", encoding="ascii") as file:
        file.writelines(lines)
    with open(packet_list, "w", encoding="ascii") as file:
        json.dump([{"side": entry["side"], "packet": piece.hex(), "tag": entry["tag"],
                    "port": entry["port"]} for entry, piece in pieces], file)
    run(["unshare", "--net", sys.executable, f"{HERE}/kernel.py", packet_list, rules, outcomes],
        KERNEL_LIMIT)
    with open(outcomes, encoding="ascii") as file:
        return json.load(file)


ENGINE_NAMES = {"ct.invalid": "invalid", "ct.flags": "invalid", "sg.egress": "refused",
                "sg.ingress": "refused"}


def whole(outcomes):
    """The engine's outcome of a datagram: that of its first piece if all pass, else the drop."""
    drops = [outcome for outcome in outcomes
             if outcome not in ("new", "established", "related", "none", "untracked")]
    return drops[0] if drops else outcomes[0]


def judge(apus, entries, without_rule=None, switch=False, limit=None):
    """The packets of a list with both outcomes, in order."""
    pieces = [(entry, piece) for entry in entries for piece in entry["pieces"]]
    with tempfile.TemporaryDirectory(prefix="apus-peer-") as folder:
        engine = ask_engine(apus, pieces, folder, limit)
        try:
            kernel = (openvswitch.ask(pieces, folder, limit) if switch
                      else ask_kernel(pieces, folder, without_rule))
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            raise CannotCompare(f"Open vSwitch: {error}") from error
    if not len(pieces) == len(engine) == len(kernel):
        raise CannotCompare(f"{len(pieces)} packets, {len(engine)} and {len(kernel)} outcomes")
    position = 0
    for entry in entries:
        count = len(entry["pieces"])
        own = slice(position, position + count)
        outcome = whole(engine[own])
        entry["engine"] = ENGINE_NAMES.get(outcome, outcome)
        # The kernel puts a datagram together: it passes with its last piece.
        entry["kernel"] = next((one["outcome"] for one in kernel[own] if one["outcome"] != "held"),
                               "held")
        entry["before"] = kernel[position]["before"]
        entry["flags"] = tcp_flags(entry)
        position += count
    return entries


def find_differences(entries, known):
    """(entry, kind) of every packet that was judged differently; kind None: not a known one."""
    histories = collections.defaultdict(list)
    for entry in entries:
        history = histories[entry["flow"]]
        if entry["engine"] != entry["kernel"]:
            kind = known.classify(entry, history)
            entry["kind"] = kind
            yield entry, kind
        history.append(entry)


def find_surprises(entries):
    """Packets of which the kernel did not say what its own selftests expect."""
    for entry in entries:
        passes = entry["kernel"] in differences.PASSES
        if passes != (entry.get("expected", "pass" if passes else "") == "pass"):
            yield entry


def describe(seed, entry):
    return (f"seed {seed} packet {entry['tag']} flow {entry['flow']} {entry['scenario']}"
            f" {entry['note'] or 'plain'} from {entry['side']}: engine {entry['engine']},"
            f" kernel {entry['kernel']} (was {entry['before'] or '-'})")


def transport_header(entry):
    packet = entry["pieces"][0]
    return packet[20:] if packet[0] >> 4 == 4 else packet[40:]


def tcp_flags(entry):
    return transport_header(entry)[13] if entry["port"] and len(entry["pieces"]) == 1 else 0


def describe_packet(entry):
    """The packet in words, for who looks into a difference."""
    header, text = transport_header(entry), ""
    if entry["port"]:
        sequence, acknowledgement, offset, flags, window = struct.unpack("!IIBBH", header[4:16])
        letters = "".join(letter for bit, letter in enumerate("FSRPAUEC") if flags >> bit & 1)
        start = (offset >> 4) * 4
        text = (f" [{letters} seq {sequence} ack {acknowledgement} win {window}"
                f" len {len(header) - start} options {header[20:start].hex()}]")
    mark = " " if entry["engine"] == entry["kernel"] else "!"
    return (f"{mark}{entry['tag']:5} {entry['side']} {entry['note'] or 'plain'}{text}"
            f" engine {entry['engine']}, kernel {entry['kernel']} (was {entry['before'] or '-'})")


class Tally:
    """What all seeds together gave; `known` are the differences that are meant."""

    def __init__(self, known):
        self.known = known
        self.packets = 0
        self.same = collections.Counter()
        self.kinds = collections.Counter()
        self.verdicts = collections.Counter()
        self.unknown = []

    def add(self, seed, entries):
        """Counts a seed and yields a line for each difference."""
        self.packets += len(entries)
        self.same.update(entry["engine"] for entry in entries if entry["engine"] == entry["kernel"])
        for entry in find_surprises(entries):
            self.unknown.append(f"the kernel's selftest expects otherwise: {describe(seed, entry)}")
            yield f"UNKNOWN: {self.unknown[-1]}"
        for entry, kind in find_differences(entries, self.known):
            line = describe(seed, entry)
            if kind is None:
                self.unknown.append(line)
            else:
                self.kinds[kind] += 1
                self.verdicts[kind] += not differences.is_same_verdict(entry)
            yield f"{kind or 'UNKNOWN'}: {line}"

    def report(self, seeds):
        outcomes = ", ".join(f"{name} {count}" for name, count in self.same.most_common())
        print(f"{seeds} seeds, {self.packets} packets; the same outcome for"
              f" {sum(self.same.values())}: {outcomes}")
        print(f"{sum(self.kinds.values())} known differences, {sum(self.verdicts.values())} of them"
              " in whether the packet passes, the others in its state or reason")
        for kind, count in self.kinds.most_common():
            print(f"{count:6} {self.verdicts[kind]:6}  {kind}: {self.known.KINDS[kind]}")
        print(f"{len(self.unknown)} unknown differences")
        for line in self.unknown[:200]:
            print(f"UNKNOWN: {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--apus", required=True, help="the apus command")
    parser.add_argument("--seeds", default="1-5", help="FIRST-LAST")
    parser.add_argument("--selftests", action="store_true",
                        help="the scenarios of the kernel's selftests in place of random ones")
    parser.add_argument("--cases", action="store_true",
                        help="the cases of Open vSwitch's system tests in place of random ones")
    parser.add_argument("--limited", action="store_true",
                        help="more connections than a limit allows; of the switch alone")
    parser.add_argument("--captures", metavar="FOLDER",
                        help="conversations of the captures there in place of random ones")
    parser.add_argument("--switch", action="store_true",
                        help="ask Open vSwitch's userspace datapath in place of the kernel")
    parser.add_argument("--verbose", action="store_true", help="list every difference")
    parser.add_argument("--flow", type=int, help="list every packet of this conversation")
    parser.add_argument("--without-rule", metavar="TEXT",
                        help="leave out the kernel's rules that have TEXT: a test of this test")
    options = parser.parse_args()
    if options.limited and not options.switch:
        parser.error("--limited is a list for --switch")
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    tally = Tally(switch_differences if options.switch else differences)
    for seed in seeds:
        limit = None
        if options.limited:
            entries, limit = cases.limited(seed), cases.LIMIT
        elif options.captures:
            entries = captures.generate(seed, options.captures)
        else:
            source = selftests if options.selftests else cases if options.cases else generator
            entries = source.generate(seed)
        entries = judge(options.apus, entries, options.without_rule, options.switch, limit)
        if options.flow:
            print("\n".join(describe_packet(entry) for entry in entries
                            if entry["flow"] == options.flow))
        for line in tally.add(seed, entries):
            if options.verbose:
                print(line)
    tally.report(len(seeds))
    return 1 if tally.unknown else 0


if __name__ == "__main__":
    # As an exception, so that the kernel's process and the temporary files go as well.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        sys.exit(main())
    except CannotCompare as error:
        print(f"compare: {error}", file=sys.stderr)
        sys.exit(2)
