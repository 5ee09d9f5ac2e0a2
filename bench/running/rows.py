"""The rows P1 to P19 as data: what is measured, how, against whom, and what has to come out."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Bench:
    """A figure of `apus bench NAME OPTIONS --runs 1`: the result of that name with those parameters."""
    name: str
    result: str
    options: tuple = ()
    select: dict = dataclasses.field(default_factory=dict)
    # What a smoke run does instead, with the parameters that its result then has.
    smoke: tuple | None = None
    smoke_select: dict | None = None

    def asked(self, is_smoke):
        if is_smoke and self.smoke is not None:
            select = self.select if self.smoke_select is None else self.smoke_select
            return list(self.smoke), select
        return list(self.options), self.select


@dataclasses.dataclass(frozen=True)
class Script:
    """A series of a script of its own that interleaves Apus and its peers: bench/NAME --json."""
    name: str
    series: str


@dataclasses.dataclass(frozen=True)
class Peer:
    """A figure of another program, see peers.py."""
    name: str
    argument: str = ""


@dataclasses.dataclass(frozen=True)
class Own:
    """Another figure of the same row or of an earlier one: "KEY" or "ROW KEY"."""
    key: str


@dataclasses.dataclass(frozen=True)
class Versus:
    """Whom a figure is compared with: how many times better Apus has to be, and shall be."""
    what: Peer | Script | Own
    gate: float | None = None
    goal: float | None = None


@dataclasses.dataclass(frozen=True)
class Figure:
    key: str
    source: Bench | Script
    unit: str
    better: str
    gate: float | None = None
    goal: float | None = None
    versus: tuple = ()
    in_smoke: bool = True


@dataclasses.dataclass(frozen=True)
class Row:
    id: str
    what: str
    figures: tuple


LOWER, HIGHER = "lower", "higher"
CYCLES = "cycles/packet"
FEW = ("--packets", "60000", "--open", "1000")
SHORT = ("--flows", "1000", "--packets", "200000")


def by_flows(name, flows, packets=None):
    options = ("--flows", str(flows)) + (("--packets", str(packets)) if packets else ())
    return Bench(name, name, options, {"flows": str(flows)}, SHORT, {"flows": "1000"})


def pipeline(flows, gate, goal, goal_ratio):
    return Figure(f"{flows} flows", by_flows("pipeline", flows), CYCLES, LOWER, gate, goal,
                  (Versus(Peer("ovs", str(flows)), 5, goal_ratio),
                   Versus(Peer("testpmd", "macswap"))), in_smoke=flows == 1_000)


def large(flows, gate, goal):
    # Enough packets that every flow is seen, as far as a round's time allows.
    return Figure(f"{flows} flows", by_flows("pipeline", flows, min(2 * flows, 20_000_000)), CYCLES,
                  LOWER, versus=(Versus(Own("1000 flows"), gate, goal),),
                  in_smoke=flows == 1_000_000)


def other_way(name, flows, gate):
    return Figure(f"{name}, {flows} flows", by_flows(name, flows), CYCLES, LOWER, gate,
                  versus=(Versus(Own(f"P1 {flows} flows"), None, 1 / 1.05),),
                  in_smoke=flows == 1_000)


def groups(rules):
    against = () if rules == 10 else (Versus(Own("10 rules"), 0.5, 0.8),)
    return Figure(f"{rules} rules", Bench("groups", "groups", ("--rule-count", str(rules)), {"rules": str(rules)},
                                          ("--rule-count", "10", "--packets", "100000"), {"rules": "10"}),
                  "cycles/verdict", LOWER, 150, 60, against)


def groups_alone(rules):
    """One lookup after the other, as for a packet that alone of its burst begins a connection."""
    return Figure(f"{rules} rules, alone", Bench("groups", "groups-alone", ("--rule-count", str(rules)),
                                                 {"rules": str(rules)}, ("--rule-count", "10", "--packets", "100000"),
                                                 {"rules": "10"}),
                  "cycles/verdict", LOWER)


def access_list(rules, gate, goal):
    select = {"rules": str(rules)}
    return Figure(f"{rules} rules", Bench("acl", "acl", ("--rule-count", str(rules)), select),
                  "cycles/packet", LOWER, versus=(Versus(Peer("acl", str(rules)), gate, goal),))


def routes(family, count, gate, goal, goal_ratio):
    select = {"family": family.replace("ip", "IP"), "routes": str(count)}
    return Figure(f"{family}, {count} routes", Bench("routes", "routes", (), select), "M lookups/s",
                  HIGHER, gate, goal, (Versus(Peer("fib", f"{family} {count}"), None, goal_ratio),))


def pushed(key, change, result, unit, gate=None, goal=None, in_smoke=True):
    return Figure(key, Bench("push", result, ("--change", change), {"change": change}), unit, LOWER,
                  gate, goal, in_smoke=in_smoke)


def limit(kind, frame, time, name, gate, goal):
    return Figure(f"error over {time}, {kind}, {frame} bytes",
                  Bench("limiter", f"limiter-error-{name}", (), {"limit": kind, "frame": str(frame)}),
                  "%", LOWER, gate, goal)


def memory(key, result, gate, goal):
    return Figure(key, Bench("memory", result), "bytes", LOWER, gate, goal)


def latency(percentile, gate, goal):
    return Figure(percentile, Bench("latency", f"latency-{percentile}"), "us", LOWER, gate, goal)


def vhost(way, gate, goal):
    return Figure(f"{way}, of testpmd", Script("vhost", f"vhost {way}, ratio"), "of testpmd", HIGHER,
                  gate, goal)


def vhost_rate(way):
    return Figure(way, Script("vhost", f"vhost {way}, apus"), "Mpps", HIGHER,
                  versus=(Versus(Script("vhost", f"vhost {way}, testpmd")),))


ROWS = (
    Row("P1", "full pipeline, established UDP, 64 bytes, one core", (
        pipeline(1_000, 140, 85, 9), pipeline(10_000, 150, 95, 12),
        pipeline(100_000, 190, 120, 10))),
    Row("P2", "the same with many flows, as a part of its rate at 1,000", (
        Figure("1000 flows", by_flows("pipeline", 1_000), CYCLES, LOWER,
               versus=(Versus(Peer("hash", "lookup")),)),
        large(1_000_000, 0.55, 0.70), large(10_000_000, 0.45, 0.58),
        large(32_000_000, 0.40, 0.50))),
    Row("P3", "decapsulation and delivery; both directions mixed", tuple(
        other_way(name, flows, gate) for name in ("decapsulation", "mixed")
        for flows, gate in ((1_000, 140), (10_000, 150), (100_000, 190)))),
    Row("P4", "new UDP flows, 1,000 rules each way", (
        Figure("new flows", Bench("new-flows", "new-flows", (), {"direction": "out"}, FEW),
               "M flows/s", HIGHER, 2.0, 4.5, (Versus(Peer("ovs-new", "1000000"), None, 13),)),
        Figure("new flows from the underlay",
               Bench("new-flows", "new-flows", (), {"direction": "in"}, FEW), "M flows/s", HIGHER, 2.0,
               4.5))),
    Row("P5", "new TCP connections of 6 packets, 1,000 rules, 1M others open", (
        Figure("connections", Bench("new-connections", "new-connections", (), {}, FEW),
               "M connections/s", HIGHER, 0.8, 2.0),)),
    Row("P6", "security-group verdict", (
        *(groups(rules) for rules in (10, 1_000, 100_000, 500_000)),
        *(groups_alone(rules) for rules in (10, 500_000)))),
    Row("P7", "network ACL against rte_acl", (
        access_list(1_000, 1.0, 1.5), access_list(10_000, 1.0, 2.0))),
    Row("P8", "routes, random lookups, against rte_fib", (
        routes("ipv4", 1_000_000, 100, 250, 1.2), routes("ipv6", 250_000, 60, 200, 1.2),
        Figure("table of the IPv4 routes", Bench("routes", "routes-bytes", (), {"family": "IPv4"}),
               "bytes", LOWER, 8 << 20, 4 << 20))),
    Row("P9", "one rule changed among 100,000 under load", (
        pushed("push to first packet, p50", "rule", "push-p50", "us", None, 10),
        pushed("push to first packet, p99", "rule", "push-p99", "us", 1_000, 50),
        pushed("dip of the rate", "rule", "push-dip", "%", None, 0.5),
        pushed("packets lost", "rule", "push-lost", "packets", 0, 0))),
    Row("P10", "a group of 100,000 rules replaced whole, under load", (
        pushed("push to first packet, p99", "group", "push-p99", "ms", 1_000, 60, in_smoke=False),)),
    Row("P11", "memory", (
        memory("tracked IPv4 connection", "memory-connection", 128, 72),
        memory("idle NIC", "memory-interface", 65_536, 4_096),
        memory("group rule", "memory-rule", 256, 48), memory("route", "memory-route", 32, 10),
        memory("mapping", "memory-mapping", 64, 24))),
    Row("P12", "limiter", (
        *(limit(kind, frame, *error) for kind, frame in (
            ("bandwidth", 64), ("bandwidth", 1_500), ("packets", 64))
          for error in (("1 s", "1s", 1, 0.02), ("10 ms", "10ms", None, 0.5))),
        Figure("cost", Bench("limiter", "limiter-cost"), CYCLES, LOWER, None, 8))),
    Row("P13", "vhost-user guest, 64 bytes, full pipeline, against testpmd net_vhost", (
        vhost("underlay", 0.5, 0.75), vhost_rate("underlay"), vhost("guests", None, None),
        vhost_rate("guests"))),
    Row("P14", "NICs active at once", (
        Figure("1 NIC", Bench("nics", "nics", (), {"nics": "1"}), CYCLES, LOWER),
        *(Figure(f"{nics} NICs", Bench("nics", "nics", (), {"nics": str(nics)}), CYCLES, LOWER,
                 versus=(Versus(Own("1 NIC"), 0.8, 0.92),)) for nics in (1_024, 16_384)))),
    Row("P15", "replay from page cache through the full pipeline, verdicts off", (
        Figure("replay", Script("replay", "apus replay --json"), "Mpps", HIGHER, 5, 12, (
            Versus(Script("replay", "tcpdump -r FILE -w /dev/null"), 0.5, 1.3),
            Versus(Script("replay", "tshark -r FILE -T fields"), None, 300))),)),
    Row("P16", "replay with --verdicts to a file", (
        Figure("replay", Script("replay", "apus replay --json --verdicts FILE"), "Mpps", HIGHER, 1, 3),
    )),
    Row("P17", "ring to ring latency at half load, stolen time excluded", (
        latency("p50", 2, 0.35), latency("p99", 10, 0.8), latency("p99.9", 50, 2))),
    Row("P18", "two workers against one", (
        Figure("frames of flows that each owns",
               Bench("workers", "workers", (), {"workers": "2", "frames": "owned"}), "times one",
               HIGHER, 1.6, 1.95),)),
    Row("P19", "pipeline over the sum of its floors", (
        Figure("pipeline over floors", Bench(
            "floors", "floors-ratio", ("--flows", "1000"), {"flows": "1000"}), "times the floors", LOWER,
               2.2, 1.5),)),
)


def chosen(names):
    """Rows by id, in their own order; all without names. Raises ValueError for one that is not there."""
    wanted = {name.upper() for name in names}
    unknown = wanted - {row.id for row in ROWS}
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: no such row (P1 to P{len(ROWS)})")
    return [row for row in ROWS if not wanted or row.id in wanted]


def sources(row):
    """Everything that is measured for a row, Apus first, each thing once."""
    found = [figure.source for figure in row.figures]
    found += [versus.what for figure in row.figures for versus in figure.versus]
    return [source for number, source in enumerate(found) if source not in found[:number]]
