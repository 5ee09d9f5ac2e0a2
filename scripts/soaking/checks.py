"""What scripts/soak asserts between rounds, when nobody sends."""
import time

from soaking.host import Violation, total

IN = ("received", "taken_over")
OUT = ("sent", "dropped", "ignored", "punted", "handed_over")
# Where a machine without time for it may lose packets, and counts them: guests' rings, the rings between
# workers and to the service thread.
OVERLOAD = ("port.full", "worker.full", "slowpath.full")
# What may be more at the end of a round than before, in caches of allocators and of the database.
ROOM = {"resident KiB": 4096, "broker's resident KiB": 1024, "huge pages": 0, "descriptors": 0,
        "broker's descriptors": 0, "threads": 4,
        "contexts of the kernel": 2, "buffers in use": 0}
# The first rounds take what every kind of session takes once. Until the later number the daemon also
# fills what it keeps in a fixed number, such as tables of earlier generations, and has that more memory.
FIRST_ROUNDS, FULL_ROUNDS = 3, 20
FILLING = 8192


def quiet(host):
    """The metrics once nothing moves any more: counters are read one after another."""
    def moving(metrics):
        return {name: total(metrics, name) for name in metrics
                if name.startswith(("apus_worker_", "apus_port_packets", "apus_drops"))
                and "rounds" not in name and "sleeps" not in name}

    taps, metrics = host.taps(), host.metrics()
    for _ in range(60):
        time.sleep(0.3)
        now_taps, now = host.taps(), host.metrics()
        if now_taps == taps and moving(now) == moving(metrics):
            return now, now_taps
        taps, metrics = now_taps, now
    raise Violation("counters move although nobody sends")


def conservation(metrics, taps):
    """To the packet: of the workers, and between the kernel's count of each tap and the daemon's.

    Returns how many packets the workers took."""
    came = sum(total(metrics, f"apus_worker_{name}_total") for name in IN)
    went = sum(total(metrics, f"apus_worker_{name}_total") for name in OUT)
    if came == 0 or came != went:
        raise Violation(f"conservation: {came} packets came and {went} went")
    received = total(metrics, "apus_worker_received_total")
    by_port = total(metrics, "apus_port_packets_total", direction="in")
    # Those of ports that went are told no more.
    if not 0 < by_port <= received:
        raise Violation(f"conservation: ports took {by_port}, workers received {received}")
    for name, tap in taps.items():
        took = total(metrics, "apus_port_packets_total", port=f"eni-{name}", direction="in")
        gave = total(metrics, "apus_port_packets_total", port=f"eni-{name}", direction="out")
        if took != tap["to"] or gave != tap["from"] + tap["refused"]:
            raise Violation(f"conservation: of {name}'s tap the kernel counts {tap}, "
                            f"the daemon {took} in and {gave} out")
    return came


def drops(metrics, taps, kernels):
    """Everything that anybody counts as dropped, by where and why, and what guests' kernels count."""
    found = {f"tap of {name}: {kind}": taps[name][kind] for name in taps for kind in ("full", "refused")}
    for metric in ("apus_drops_total", "apus_port_drops_total"):
        for has, count in metrics.get(metric, []):
            key = f"{has.get('eni') or has.get('port')}: {has['reason']}"
            found[key] = found.get(key, 0) + count
    return {**found, **kernels}


def is_overload(name):
    """Whether a guest's full ring or socket counts it, on the ways between the good guests."""
    return (name.startswith(("tap of left", "tap of right"))
            or name in ("left: UdpInErrors", "right: UdpInErrors")
            or name.startswith(("eni-left", "eni-right")) and name.endswith(OVERLOAD))


def service(said, before, after):
    """Good guests get every answer and every datagram, whole and once, unless a full ring counts it.

    Returns how many they lost to those."""
    lost, wrong = 0, []
    for name, other in (("left", "right"), ("right", "left")):
        lost += len(said[name]["unanswered"])
        lost += said[other]["sent"] - said[name].get("datagrams", 0)
        wrong += [f"{said[name][what]} {what} at {name}"
                  for what in ("spoilt", "twice", "answers twice") if said[name].get(what)]
    counted = {name: after[name] - before.get(name, 0) for name in after
               if after[name] != before.get(name, 0)}
    full = {name: count for name, count in counted.items() if is_overload(name)}
    if wrong:
        raise Violation("service: " + ", ".join(wrong))
    if lost > sum(full.values()):
        raise Violation(f"service: good guests lost {lost} packets, of which full rings explain {full}: "
                        f"{said}; counted in this round: {counted}")
    return lost


class Level:
    """What the processes hold is what they held at first; what is being given back has some seconds."""

    def __init__(self, host):
        self.host = host
        self.first = self.now = None
        self.rounds = 0

    def check(self):
        self.rounds += 1
        if self.rounds <= FIRST_ROUNDS:
            self.now = self.host.level()
            known = self.first or self.now
            self.first = {name: max(known[name], self.now[name]) for name in self.now}
            return
        for attempt in range(20):
            self.now = self.host.level()
            grown = self.grown()
            if not grown:
                break
            time.sleep(0.5)
        else:
            raise Violation("not level: " + "; ".join(grown))
        if self.rounds == FULL_ROUNDS:
            self.first["resident KiB"] = self.now["resident KiB"]

    def grown(self):
        room = dict(ROOM)
        if self.rounds <= FULL_ROUNDS:
            room["resident KiB"] += FILLING
        return [f"{name} from {self.first[name]} to {self.now[name]}" for name in room
                if self.now[name] > self.first[name] + room[name]]
