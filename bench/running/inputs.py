"""Rules, routes and addresses that classifiers and route tables of others are measured with.

Everything follows from a seed: each run, here and elsewhere, asks the same.
"""
import ipaddress
import random

# How many of a hundred routes have which length, about as on the Internet.
LENGTHS4 = {24: 60, 23: 10, 22: 12, 21: 5, 20: 4, 19: 3, 18: 2, 17: 1, 16: 2, 32: 1}
LENGTHS6 = {48: 48, 32: 14, 40: 10, 44: 10, 36: 6, 46: 5, 64: 4, 29: 3}
# Of filters as ClassBench makes them from access lists: nearly all name both ends, most one port.
PREFIXES = (32, 32, 28, 24, 24, 24, 16)
PORTS = (22, 25, 53, 80, 110, 123, 143, 179, 389, 443, 445, 993, 1433, 1521, 3306, 3389, 5432, 8080)


def access_rules(count, seed=7):
    """Rules of a firewall: (source, length, target, length, first port, last port, protocol).

    Sources and targets come from networks that many rules share, as in a real list.
    """
    chance = random.Random(seed)
    networks = [chance.getrandbits(32) & 0xFFFF0000 for _ in range(max(16, count // 40))]

    def prefix():
        length = chance.choice(PREFIXES)
        whole = chance.choice(networks) | chance.getrandbits(16)
        return whole >> (32 - length) << (32 - length), length

    rules = {}
    while len(rules) < count:
        kind = chance.random()
        if kind < 0.65:
            first = last = chance.choice(PORTS) if kind < 0.4 else chance.randrange(1_024, 65_536)
        elif kind < 0.85:
            first = chance.randrange(1_024, 60_000)
            last = first + chance.randrange(1, 5_000)
        else:
            first, last = 0, 65_535
        rules[(*prefix(), *prefix(), first, last, chance.choice((6, 6, 6, 17)))] = None
    return list(rules)


def headers(rules, count, seed=8):
    """Packets, each of which some rule matches: (source, target, source port, port, protocol)."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        source, from_length, target, to_length, first, last, protocol = chance.choice(rules)
        found.append((source | chance.getrandbits(32 - from_length) if from_length < 32 else source,
                      target | chance.getrandbits(32 - to_length) if to_length < 32 else target,
                      chance.randrange(1_024, 65_536), chance.randint(first, last), protocol))
    return found


def first_match(rules, packet):
    """The number of the first rule that matches, or None: what a list means."""
    source, target, _, port, protocol = packet
    for number, (base, length, other, other_length, first, last, wanted) in enumerate(rules):
        # A protocol of 0 is any.
        if (wanted in (0, protocol) and first <= port <= last and (source ^ base) >> (32 - length) == 0
                and (target ^ other) >> (32 - other_length) == 0):
            return number
    return None


def write_access_list(rules, packets, rules_path, trace_path):
    """Both in the format of ClassBench, which dpdk-test-acl reads."""
    def address(number):
        return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))

    with open(rules_path, "w") as file:
        for source, length, target, other, first, last, protocol in rules:
            file.write(f"@{address(source)}/{length}\t{address(target)}/{other}\t0 : 65535\t"
                       f"{first} : {last}\t0x{protocol:02x}/0xFF\n")
    with open(trace_path, "w") as file:
        for packet in packets:
            file.write("\t".join(str(word) for word in packet) + "\n")


def read_access_list(rules_path, trace_path):
    """Rules and packets back from the files that `apus bench acl --rules-out` or we wrote."""
    def prefix(text):
        address, length = text.split("/")
        return int(ipaddress.IPv4Address(address)), int(length)

    rules, packets = [], []
    with open(rules_path) as file:
        for line in file:
            words = line.lstrip("@").split()
            protocol, mask = (int(word, 0) for word in words[8].split("/"))
            rules.append((*prefix(words[0]), *prefix(words[1]), int(words[5]), int(words[7]),
                          protocol if mask else 0))
    with open(trace_path) as file:
        for line in file:
            packets.append(tuple(int(word) for word in line.split()[:5]))
    return rules, packets


def write_routes(family, count, lookups, routes_path, lookups_path, seed=9):
    """Routes and addresses to look up, evenly over the routes, as dpdk-test-fib reads them."""
    chance = random.Random(seed)
    bits, lengths = (32, LENGTHS4) if family == "ipv4" else (128, LENGTHS6)
    text = ((lambda number: ".".join(str(byte) for byte in number.to_bytes(4, "big")))
            if family == "ipv4" else (lambda number: str(ipaddress.IPv6Address(number))))
    routes = []
    for length, share in lengths.items():
        made = set()
        # Of 2000::/3, as all of the Internet is, where addresses are longer.
        wanted = min(count * share // 100, 1 << (length if bits == 32 else length - 3) - 1)
        while len(made) < wanted:
            part = chance.getrandbits(length)
            made.add(part if bits == 32 else (part & (1 << (length - 3)) - 1) | 1 << (length - 3))
        routes += [(part << (bits - length), length) for part in made]
    with open(routes_path, "w") as file:
        for base, length in routes:
            file.write(f"{text(base)}/{length} {chance.randrange(1, 65_536)}\n")
    with open(lookups_path, "w") as file:
        for _ in range(lookups):
            base, length = chance.choice(routes)
            file.write(text(base | (chance.getrandbits(bits - length) if length < bits else 0)) + "\n")
    return len(routes)
