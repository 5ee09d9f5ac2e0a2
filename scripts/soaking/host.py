"""The host of scripts/soak: a daemon, its broker, and guests on taps in namespaces."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = """\
version: 1
vpcs: [{id: v, vni: 100, cidrs: [10.0.0.0/16]}]
subnets: [{id: s, vpc: v, cidrs: [10.0.1.0/24]}]
networkInterfaces:
  - {id: eni-hostile, subnet: s, mac: "02:00:00:00:00:0a", addresses: [10.0.1.10], securityGroups: [sg]}
  - {id: eni-left, subnet: s, mac: "02:00:00:00:00:0b", addresses: [10.0.1.11], securityGroups: [sg]}
  - {id: eni-right, subnet: s, mac: "02:00:00:00:00:0c", addresses: [10.0.1.12], securityGroups: [sg]}
  - {id: eni-rude, subnet: s, mac: "02:00:00:00:00:0e", addresses: [10.0.1.14], securityGroups: [sg]}
"""
GROUP = """\
securityGroups:
  - id: sg
    vpc: v
    ingress:
      - {protocol: icmp, type: 8, code: any, from: [10.0.1.10/31, 10.0.1.12/31]}
      - {protocol: udp, ports: 7000-7099, from: [10.0.1.10/31, 10.0.1.12/31]}
"""
# Little memory for connections, so that a few rounds use all of it: what is reserved at start takes pages
# when it is first used.
HOST = """\
version: 1
runtime: dpdk
workers: {count: 2}
guests:
  - {eni: eni-hostile, vhostUser: {socket: WORK/hostile.sock}}
  - {eni: eni-left, device: "net_tap0,iface=tap-left"}
  - {eni: eni-right, device: "net_tap1,iface=tap-right"}
  - {eni: eni-rude, device: "net_tap2,iface=tap-rude"}
memory: {flows: 8192, nics: 16, hugepages: HUGE, megabytes: 256}
control: {stateDirectory: WORK/state}
"""
# Guests on taps: their MAC addresses and addresses.
GUESTS = {"left": ("02:00:00:00:00:0b", "10.0.1.11"), "right": ("02:00:00:00:00:0c", "10.0.1.12"),
          "rude": ("02:00:00:00:00:0e", "10.0.1.14")}
# Frames that may wait in a tap for the daemon: more than good guests send in ten seconds, so that a
# machine that is busy with something else loses none of them.
QUEUE = 10_000
# Seconds that a program may take which needs far less: on a machine that others use it may not run at all
# for minutes.
PATIENCE = 600
TRIES = 3


class Violation(Exception):
    """Something that should have held did not."""


def run(command, seconds=PATIENCE, **options):
    return subprocess.run(command, timeout=seconds, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)


def must(command, seconds=PATIENCE):
    result = run(command, seconds)
    if result.returncode != 0:
        raise Violation(f"{' '.join(command)}: status {result.returncode}: {result.stdout[-2000:]}")
    return result.stdout


class Host:
    def __init__(self, build, has_huge_pages):
        self.build = build
        self.work = tempfile.mkdtemp(prefix="apus-soak-")
        os.chmod(self.work, 0o700)
        self.names = {name: f"apus-soak-{name}-{os.getpid()}" for name in ("host", *GUESTS)}
        self.daemon = None
        self.children = []
        self.retries = 0
        self.has_huge_pages = has_huge_pages

    # Setting up and taking down

    def inside(self, name, *command):
        """The network only: `ip netns exec` and `ip -n` give the command mounts of its own, too."""
        return ["nsenter", f"--net=/run/netns/{self.names[name]}", *command]

    def product(self, name):
        return os.path.join(self.build, name)

    def write(self, name, text):
        path = f"{self.work}/{name}"
        with open(path, "w") as file:
            file.write(text.replace("WORK", self.work))
        return path

    def child(self, command, **options):
        """A program that ends with the host, at the latest."""
        child = subprocess.Popen(command, start_new_session=True, **options)
        self.children = [old for old in self.children if old.poll() is None] + [child]
        return child

    def start(self):
        for name in self.names:
            must(["ip", "netns", "add", self.names[name]])
            must(self.inside(name, "ip", "link", "set", "lo", "up"))
        plan = self.write("host.yaml", HOST.replace("HUGE", str(self.has_huge_pages).lower()))
        environment = dict(os.environ, APUS_RUN_DIR=f"{self.work}/run")
        with open(f"{self.work}/log", "w") as log:
            self.daemon = subprocess.Popen(
                self.inside("host", self.product("apus"), "run", "--config", plan, "--rules",
                            self.write("model.yaml", MODEL + GROUP), "--metrics", "127.0.0.1:9101"),
                stdout=log, stderr=log, env=environment, start_new_session=True)
        self.wait("the daemon serves", lambda: self.metrics(strict=False) is not None)
        for name in GUESTS:
            self.hold(name)
        self.wait("guests reach each other", lambda: run(
            self.inside("left", "ping", "-c", "1", "-W", "1", GUESTS["right"][1])).returncode == 0)

    def hold(self, name):
        """DPDK's tap stays where it is; what is its own goes through to an interface above it."""
        mac, address = GUESTS[name]
        tap = f"tap-{name}"

        def at(place, *command):
            must(self.inside(place, *command))

        at("host", "sysctl", "-qw", f"net.ipv6.conf.{tap}.disable_ipv6=1")
        at("host", "ip", "link", "set", tap, "up", "address", mac, "txqueuelen", str(QUEUE))
        at("host", "ip", "link", "add", "link", tap, "name", tap, "netns", self.names[name],
           "type", "macvlan", "mode", "passthru")
        at(name, "sysctl", "-qw", f"net.ipv6.conf.{tap}.disable_ipv6=1")
        at(name, "ip", "link", "set", tap, "address", mac)
        at(name, "ip", "addr", "add", f"{address}/24", "dev", tap)
        at(name, "ip", "link", "set", tap, "up")

    def talker(self, name, other):
        """A good guest. What its kernel shares with the rest of the machine is not to lose its packets: a
        neighbour that does not answer for three seconds is given up, and the socket that answers pings is
        one for all namespaces, so that one of them can fill it."""
        must(self.inside(name, "ip", "neigh", "replace", GUESTS[other][1], "lladdr", GUESTS[other][0],
                         "dev", f"tap-{name}", "nud", "permanent"))
        must(self.inside(name, "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1"))
        return self.child(
            self.inside(name, sys.executable, f"{HERE}/talk.py", GUESTS[name][1], GUESTS[other][1]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait(10)
        broker = self.process("broker.lock")
        if self.daemon and self.daemon.poll() is None:
            os.killpg(self.daemon.pid, signal.SIGTERM)
            try:
                self.daemon.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.daemon.pid, signal.SIGKILL)
                self.daemon.wait(10)
        if broker:
            try:
                os.kill(broker, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for name in self.names.values():
            run(["ip", "netns", "del", name])
        shutil.rmtree(self.work, ignore_errors=True)

    def wait(self, what, condition, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive()
            if condition():
                return
            time.sleep(0.2)
        raise Violation(f"within {seconds} s not: {what}")

    def check_alive(self):
        if self.daemon.poll() is not None:
            raise Violation(f"the daemon ended with {self.daemon.returncode}")

    # Guests and callers

    def rude_guest(self, seed):
        return self.child(
            self.inside("rude", sys.executable, f"{HERE}/rude.py", "tap-rude", GUESTS["rude"][0],
                        str(seed)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def client_command(self, *arguments):
        return [self.product("apus"), *arguments, "--address", f"unix:{self.work}/run/control.sock"]

    def client(self, *arguments):
        """A call; one that a machine without time let run into a limit is made again."""
        return self.again(self.client_command(*arguments), lambda status: status != 0)

    def again(self, command, is_failed):
        for left in reversed(range(TRIES)):
            self.check_alive()
            result = run(command)
            if not is_failed(result.returncode):
                return result
            self.retries += 1
            print(f"status {result.returncode} of {' '.join(command[1:])}: {result.stdout[-300:].strip()}",
                  flush=True)
            if left == 0:
                raise Violation(f"{' '.join(command)}: {TRIES} times status {result.returncode}: "
                                f"{result.stdout[-2000:]}")
            time.sleep(2)

    def hostile_command(self, *arguments, socket="hostile", seconds=2):
        return [self.product("hostile-guest"), "--socket", f"{self.work}/{socket}.sock", "--seconds",
                str(seconds), *arguments]

    def hostile(self, *arguments, socket="hostile", seconds=2):
        """Status 0, or 1 if it was not served; that nobody connects for 20 s is a failure."""
        return self.again(self.hostile_command(*arguments, socket=socket, seconds=seconds),
                          lambda status: status not in (0, 1))

    # What is measured

    def process(self, lock):
        try:
            with open(f"{self.work}/run/{lock}") as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def metrics(self, strict=True):
        """By name: pairs of labels and value."""
        result = run(self.inside("host", "curl", "-s", "-f", "-m", "60", "http://127.0.0.1:9101/metrics"))
        if result.returncode != 0:
            if strict:
                raise Violation("the daemon does not tell its metrics")
            return None
        found = {}
        for line in result.stdout.splitlines():
            match = re.match(r"(\w+)(?:\{(.*?)\})? (\d+)", line)
            if match:
                labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                found.setdefault(match[1], []).append((labels, int(match[3])))
        return found

    def taps(self):
        """The kernel's counts of each tap; `to` is what went to the daemon, `from` what came of it."""
        found = {}
        for name in GUESTS:
            link = json.loads(must(self.inside("host", "ip", "-s", "-s", "-j", "link", "show",
                                               f"tap-{name}")))[0]
            take, give = link["stats64"]["tx"], link["stats64"]["rx"]
            found[name] = {"to": take["packets"], "from": give["packets"],
                           "full": take["dropped"] + take["errors"],
                           "refused": give["dropped"] + give["errors"]}
        return found

    def kernels(self):
        """What good guests' own kernels count of ICMP and UDP."""
        found = {}
        for name in ("left", "right"):
            lines = [line.split() for line in must(
                self.inside(name, "cat", "/proc/net/snmp")).splitlines()]
            for names, values in zip(lines[::2], lines[1::2]):
                if names[0] in ("Ip:", "Icmp:", "Udp:"):
                    found.update({f"{name}: {names[0][:-1]}{what}": int(value)
                                  for what, value in zip(names[1:], values[1:])})
        return found

    def level(self):
        process, broker = self.process("data-plane.lock"), self.process("broker.lock")

        def status(number, name):
            with open(f"/proc/{number}/status") as file:
                return int(re.search(rf"{name}:\s+(\d+)", file.read())[1])

        def contexts(number):
            with open(f"/proc/{number}/maps") as file:
                return sum("[aio]" in line for line in file)

        return {
            "resident KiB": status(process, "VmRSS"),
            "broker's resident KiB": status(broker, "VmRSS"),
            "huge pages": status(process, "HugetlbPages") // 2048,
            "descriptors": len(os.listdir(f"/proc/{process}/fd")),
            "broker's descriptors": len(os.listdir(f"/proc/{broker}/fd")),
            "threads": len(os.listdir(f"/proc/{process}/task")),
            "contexts of the kernel": contexts(process) + contexts(broker),
            "buffers in use": total(self.metrics(), "apus_port_buffers_in_use"),
        }


def total(metrics, name, **labels):
    """The sum of a metric over all that have these labels."""
    return sum(value for has, value in metrics.get(name, [])
               if all(has.get(key) == wanted for key, wanted in labels.items()))
