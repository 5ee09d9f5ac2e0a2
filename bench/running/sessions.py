"""Peers at work: each is started once a row, checked, and measured a turn at a time."""
import os
import re
import select
import subprocess
import time

from running import captures, inputs, machine
from running.process import Failed, end_group

EAL = ["--no-pci", "--in-memory", "--force-max-simd-bitwidth=512"]


class Session:
    """A peer in a folder of its own. Figures are (value, unit)."""

    def __init__(self, log, folder, is_smoke):
        self.log, self.folder, self.is_smoke = log, folder, is_smoke

    def measure(self, argument):
        raise NotImplementedError

    def check(self, argument):
        """That the peer does the work, told in words. Raises Failed if it does not."""
        raise NotImplementedError

    def close(self):
        pass

    def path(self, name):
        return os.path.join(self.folder, name)


class Switch(Session):
    """Open vSwitch behind bench/ovs-pipeline --turns."""

    def __init__(self, log, folder, is_smoke):
        super().__init__(log, folder, is_smoke)
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.argv = [os.path.join(root, "bench", "ovs-pipeline"), "--turns"]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, "TMPDIR": folder})
        self.text, self.flows = b"", None
        self.wait("waiting", 60)

    def wait(self, word, seconds):
        """The words of the next answer that begins so; what comes before it is Open vSwitch's talk."""
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self.text:
                line, self.text = self.text.split(b"\n", 1)
                words = line.decode(errors="replace").split()
                if words and words[0] == word:
                    return words[1:]
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise Failed(f"ovs-pipeline does not answer {word} within {seconds} s")
            part = os.read(self.process.stdout.fileno(), 65_536)
            if not part:
                raise Failed("ovs-pipeline ended: run it by itself to see why")
            self.text += part

    def order(self, line, word, seconds):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise Failed(f"ovs-pipeline ended: {error}") from error
        return self.wait(word, seconds)

    def measure(self, argument):
        if self.flows != argument:
            _, connections = self.order(f"flows {argument}", "ready", 120)
            if int(connections) < int(argument):
                raise Failed(f"Open vSwitch tracks {connections} of {argument} connections")
            self.flows = argument
        return float(self.order("turn", "turn", 30)[0]), "cycles/packet"

    def check(self, argument):
        """What comes out for 1,000 flows is Geneve around what went in, of every flow."""
        sent, got = (captures.read(path) for path in self.order("check 1000", "check", 60))
        self.flows = None
        # Its own IPv6 and ARP, by which the bridge's interface introduces itself, are not what was sent to it.
        got = [frame for frame in got if frame[12:14] not in (b"\x86\xdd", b"\x08\x06")]
        inner = [frame[50:] for frame in got if frame[36:38] == b"\x17\xc1" and frame[46:49] == b"\0\0\x64"]
        known = set(sent)
        if len(inner) != len(got) or set(inner) != known:
            raise Failed(f"Open vSwitch sent {len(set(inner) & known)} of {len(known)} flows whole, and "
                         f"{len(got) - sum(frame in known for frame in inner)} other frames")
        return f"{len(got)} frames of {len(known)} flows compared, in Geneve of VNI 100"

    def close(self):
        self.process.stdin.close()
        try:
            # Its end of input is the end; it gives the huge pages back.
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        self.log.note(self.argv, self.began, self.process.poll())
        end_group(self.process)


class NewConnections(Switch):
    """The same with flows that nobody has seen, each of one packet."""

    def measure(self, argument):
        count = "100000" if self.is_smoke else argument
        cycles, packets, connections = self.order(f"new {count}", "new", 120)
        if int(packets) < int(count) or int(connections) < 0.9 * int(count):
            raise Failed(f"Open vSwitch took {packets} of {count} packets, tracks {connections}")
        return float(cycles), "cycles/packet"


class Testpmd(Session):
    """testpmd between net_pcap and net_null, the drivers that Open vSwitch has: the cost of I/O."""

    def command(self, source, sink, forward):
        return ["dpdk-testpmd", "--lcores", f"0@0,1@{machine.last_processor()}", "-m", "256", *EAL,
                f"--vdev=net_pcap0,{source}", f"--vdev={sink}", "--", "-i", "--nb-cores=1",
                f"--forward-mode={forward}", "--record-core-cycles", "--no-flush-rx",
                "--total-num-mbufs=16384"]

    def frames(self, count):
        flows = [captures.datagram(bytes([10, 0, 1, 10]), bytes([10, 0, 16, 1]), (1_024 + flow, 2_000))
                 for flow in range(count)]
        captures.write(self.path("frames.pcap"), flows)
        return flows

    def talk(self, argv, orders):
        """Gives orders with pauses between them, and returns what was said."""
        script = "".join(f"echo {order!r}; sleep {pause}; " for order, pause in orders)
        began = time.monotonic()
        process = subprocess.Popen(["bash", "-c", f"({script}) | exec \"$@\"", "talk", *argv],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True)
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired as error:
            raise Failed("testpmd did not end within 60 s") from error
        finally:
            end_group(process)
            self.log.note(argv, began, process.returncode)
        return output

    def measure(self, argument):
        if not os.path.exists(self.path("frames.pcap")):
            self.frames(1_000)
        argv = self.command(f"rx_pcap={self.path('frames.pcap')},infinite_rx=1", "net_null0,no-rx=1",
                            argument)
        output = self.talk(argv, [("start", 2), ("clear fwd stats all", 1 if self.is_smoke else 2),
                                  ("show fwd stats all", 0.5), ("stop", 0.5), ("quit", 0)])
        found = re.search(r"CPU cycles/packet=([0-9.]+)", output)
        if found is None:
            raise Failed(f"testpmd told no cycles: {output[-400:]}")
        return float(found.group(1)), "cycles/packet"

    def check(self, argument):
        """What it sends is what it got, with its addresses exchanged by macswap."""
        sent = self.frames(256)
        argv = self.command(f"rx_pcap={self.path('frames.pcap')},tx_pcap={self.path('back.pcap')}",
                            f"net_pcap1,tx_pcap={self.path('out.pcap')}", argument)
        output = self.talk(argv, [("start", 2), ("stop", 0.5), ("quit", 0)])
        if not os.path.exists(self.path("out.pcap")):
            raise Failed(f"testpmd did not start: {output[-400:]}")
        os.unlink(self.path("frames.pcap"))
        if argument == "macswap":
            sent = [frame[6:12] + frame[:6] + frame[12:] for frame in sent]
        got = captures.read(self.path("out.pcap"))
        if sorted(got) != sorted(sent):
            raise Failed(f"testpmd {argument} sent {len(set(got) & set(sent))} of {len(sent)} frames")
        return f"{len(got)} of {len(sent)} frames compared, {argument}"


class AccessList(Session):
    """dpdk-test-acl by the widest instructions there are, with the rules and packets of `apus bench acl`
    where that writes them, and else with as many of their kind."""

    program = None

    def prepare(self, count):
        prefix = self.path("acl")
        paths = f"{prefix}-{count}.rules", f"{prefix}-{count}.traces"
        if os.path.exists(paths[1]):
            return paths
        if self.program is not None and "--rules-out" in self.log.run(
                [self.program, "bench", "--help"], 30):
            self.log.run([self.program, "bench", "acl", "--rule-count", str(count), "--packets", "1000",
                          "--runs", "1", "--rules-out", prefix], 60)
        else:
            made = inputs.access_rules(count)
            inputs.write_access_list(made, inputs.headers(made, 1 << 16), *paths)
        return paths

    def run(self, rules, trace, packets, iterations, *more):
        algorithm = ["--alg=avx512x32"] if machine.has_avx512() else []
        return self.log.run(
            ["dpdk-test-acl", "-l", str(machine.last_processor()), "-m", "1024", *EAL, "--",
             f"--rulesf={rules}", f"--tracef={trace}", f"--tracenum={packets}",
             f"--iter={iterations}", *algorithm, *more], 120)

    def measure(self, argument):
        rules, trace = self.prepare(int(argument))
        output = self.run(rules, trace, 1 << 16, 2 if self.is_smoke else 50, "--verbose=0")
        # A line for the one thread.
        found = re.findall(r"([0-9.]+) cycles/pkt", output)
        if not found:
            raise Failed(f"dpdk-test-acl told no cycles: {output[-400:]}")
        return float(found[-1]), "cycles/packet"

    def check(self, argument):
        """Verdicts of 200 packets are those of the list read from top to bottom."""
        paths = self.prepare(int(argument))
        rules, packets = inputs.read_access_list(*paths)
        # It reads past its memory when a file has more packets than it was told.
        few = self.path("few.traces")
        with open(paths[1]) as file, open(few, "w") as part:
            part.writelines(file.readlines()[:200])
        output = self.run(paths[0], few, 200, 1, "--verbose=3")
        told = [int(number) for number in re.findall(r"category: 0, result: (\d+)", output)[:200]]
        # A number that no rule has stands for none.
        told = [number if number < len(rules) else None for number in told]
        expected = [inputs.first_match(rules, packet) for packet in packets[:200]]
        if told != expected:
            same = sum(one == other for one, other in zip(told, expected))
            raise Failed(f"rte_acl agrees on {same} of {len(expected)} verdicts")
        some = sum(number is not None for number in expected)
        return f"{len(told)} verdicts, {some} of them of a rule, compared with the list read from top to bottom"


class Routes(Session):
    """dpdk-test-fib: DIR24_8 for IPv4, the trie for IPv6, both with vectors where there are any."""

    def prepare(self, argument, lookups):
        family, count = argument.split()
        count = min(int(count), 20_000) if self.is_smoke else int(count)
        paths = [self.path(f"{family}-{count}-{lookups}.{kind}") for kind in ("routes", "lookups")]
        if not os.path.exists(paths[1]):
            inputs.write_routes(family, count, lookups, *paths)
        return family, count, paths

    def run(self, family, count, paths, *more):
        # Groups of 256 entries, one for each byte of a route past its 24th bit, at most.
        options = ["-6", "-g", str(4 * count)] if family == "ipv6" else ["-g", "65536"]
        vectors = ["-v", "v"] if machine.has_avx512() else []
        output = self.log.run(
            ["dpdk-test-fib", "-l", str(machine.last_processor()), "-m", "2048", *EAL, "--",
             *options, *vectors, "-f", paths[0], "-t", paths[1], *more], 180)
        found = re.search(r"AVG FIB lookup ([0-9.]+)", output)
        if found is None:
            raise Failed(f"dpdk-test-fib told no lookups: {output[-400:]}")
        return float(found.group(1)), output

    def measure(self, argument):
        family, count, paths = self.prepare(argument, 10_000 if self.is_smoke else 1_000_000)
        return self.run(family, count, paths)[0], "cycles/lookup"

    def check(self, argument):
        """Next hops of 10,000 addresses are those of DPDK's other library, rte_lpm."""
        family = argument.split()[0]
        session = Routes(self.log, self.folder, True)
        family, count, paths = session.prepare(f"{family} 20000", 10_001)
        _, output = session.run(family, count, paths, "-c")
        if "returns same values" not in output:
            raise Failed("rte_fib and rte_lpm differ")
        return "10001 next hops compared with rte_lpm"


class Autotest(Session):
    """dpdk-test's own measurement of rte_hash, which checks what it finds: a yardstick."""

    LIMIT = 900
    known = None

    def measure(self, argument):
        if self.is_smoke:
            raise Failed("left out of a smoke run, as it takes minutes")
        if self.known is None:
            # Once for all rounds: it is told beside the figures and judges none.
            self.known = self.lookup()
        return self.known, "cycles/lookup"

    def lookup(self):
        output = self.log.run(
            ["dpdk-test", "-l", str(machine.last_processor()), "-m", "1024", *EAL], self.LIMIT,
            feed="hash_perf_autotest\nquit\n")
        return hash_lookup(output)

    def check(self, argument):
        return "the autotest checks what it finds itself"


def hash_lookup(output):
    """Cycles of a bulk lookup of 16-byte keys, the best of the tables that hash_perf_autotest prints."""
    found = []
    for line in output.splitlines():
        words = line.split()
        if len(words) == 5 and words[0] == "16" and all(word.isdigit() for word in words):
            found.append(float(words[3]))
    if not found:
        raise Failed("hash_perf_autotest told no lookups of 16-byte keys")
    return min(found)


KINDS = {"ovs": Switch, "ovs-new": NewConnections, "testpmd": Testpmd, "acl": AccessList,
         "fib": Routes, "hash": Autotest}
# Of 2 MB: for what each takes at once, beside what is in use.
PAGES = {"ovs": 420, "ovs-new": 420, "testpmd": 160, "acl": 544, "fib": 1_056, "hash": 544}
