"""What each peer needs, where it comes from, and its version."""
import os
import shutil
import subprocess

# A peer's programs, and the Debian packages that hold them and what they load.
NEEDS = {
    "ovs": (("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", "ovs-vsctl", "ovs-ofctl",
             "ovs-appctl", "ovsdb-server", "ovsdb-tool"),
            ("openvswitch-switch-dpdk", "librte-net-null23", "librte-net-pcap23")),
    "testpmd": (("dpdk-testpmd",), ("dpdk-dev", "librte-net-null23", "librte-net-pcap23")),
    "acl": (("dpdk-test-acl",), ("dpdk-dev",)),
    "fib": (("dpdk-test-fib",), ("dpdk-dev",)),
    "hash": (("dpdk-test",), ("dpdk-dev",)),
    "vhost": (("dpdk-testpmd",), ("dpdk-dev", "librte-net-vhost23", "librte-net-virtio23",
                                  "librte-net-pcap23", "librte-net-null23")),
    "replay": (("tcpdump",), ("tcpdump",)),
    "tshark": (("tshark",), ("tshark",)),
}
NEEDS["ovs-new"] = NEEDS["ovs"]
NEEDS_ROOT = ("ovs", "ovs-new", "testpmd", "vhost", "acl", "fib", "hash")
TITLES = {"ovs": "OVS-DPDK", "ovs-new": "OVS-DPDK", "testpmd": "testpmd", "acl": "rte_acl",
          "fib": "rte_fib", "hash": "rte_hash"}


def installed(package):
    """The version of a Debian package, or None."""
    try:
        told = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", package],
                              capture_output=True, text=True, timeout=30, check=False).stdout.split()
    except OSError:
        return None
    return told[1] if len(told) == 2 and told[0] == "installed" else None


def obstacle(name, has_program=shutil.which, version=installed, user=None):
    """Why a peer cannot be measured here, with the packages that it needs; None when it can."""
    programs, packages = NEEDS[name]
    lacking = [package for package in packages if version(package) is None]
    # Where there is no dpkg, or somebody built a peer, its programs count.
    if [program for program in programs if has_program(program) is None] and not lacking:
        lacking = list(packages)
    if lacking and (has_program("dpkg-query") or any(has_program(p) is None for p in programs)):
        return f"not installed: {' '.join(lacking)}"
    if name in NEEDS_ROOT and (os.geteuid() if user is None else user) != 0:
        return "huge pages need root"
    return None


def versions():
    """Of every package that a peer comes from."""
    packages = sorted({package for _, needed in NEEDS.values() for package in needed})
    return {package: installed(package) for package in packages}
