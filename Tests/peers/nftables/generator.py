"""Seeded lists of packets: the same seed gives the same packets, to the last bit."""

import random as randomness
import struct

import lab
import packets
from conversation import OTHER, Flow, TCPFlow
from packets import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG


def ordinary(flow):
    flow.handshake()
    flow.exchange(flow.random.randint(1, 8))
    flow.close(flow.random.choice("ab"))


def handshake_retried(flow):
    here, there = flow.opener, OTHER[flow.opener]
    syn = flow.send(here, SYN)
    flow.send(here, SYN, note="syn-again", sequence=syn)
    answer = flow.send(there, SYN | ACK)
    flow.send(there, SYN | ACK, note="syn-ack-again", sequence=answer)
    flow.send(here, ACK)
    flow.exchange(2)


def refused_by_peer(flow):
    here, there = flow.opener, OTHER[flow.opener]
    flow.send(here, SYN)
    flow.send(there, RST | ACK, note="refusal", sequence=0)
    flow.next[here] += 77_777
    flow.send(here, SYN, note="syn-after-refusal")
    flow.send(there, SYN | ACK)
    flow.send(here, ACK)


def reset_exact(flow):
    flow.handshake()
    flow.exchange(2)
    side = flow.random.choice("ab")
    flow.reset(side, "reset-exact", acknowledge=flow.random.random() < 0.5)
    flow.send(OTHER[side], ACK, 10, "data-after-reset")


def reset_inside_window(flow):
    flow.handshake()
    flow.exchange(2)
    side = flow.random.choice("ab")
    # The tracker's "exact" is the other end's last acknowledgement.
    flow.send(OTHER[side], ACK)
    flow.reset(side, "reset-inside", flow.random.randint(1, 500))
    flow.send(OTHER[side], ACK, note="challenge-ack")
    flow.reset(side, "reset-after-challenge", acknowledge=False)


def reset_outside_window(flow):
    flow.handshake()
    flow.exchange(2)
    side = flow.random.choice("ab")
    beyond = flow.seen_window(side) + flow.random.randint(10, 100_000)
    flow.reset(side, "reset-outside", flow.random.choice((beyond, -100_000, 1 << 30)))
    flow.exchange(2)


def reset_in_handshake(flow):
    here, there = flow.opener, OTHER[flow.opener]
    flow.send(here, SYN)
    what = flow.random.randrange(4)
    if what == 0:
        flow.reset(here, "reset-by-opener", acknowledge=False)
        flow.send(there, SYN | ACK, note="late-syn-ack")
    elif what == 1:
        flow.send(there, RST | ACK, note="reset-wrong-ack", sequence=0,
                  acknowledgement=flow.next[here] + 5)
        flow.send(there, SYN | ACK)
    elif what == 2:
        flow.send(there, SYN | ACK)
        flow.reset(here, "reset-half-open", acknowledge=False)
    else:
        flow.send(there, ACK, note="stray-ack", acknowledgement=flow.next[here] - 5000)
        flow.send(here, RST, note="reset-of-stray-ack", sequence=flow.next[here] - 5000)
        flow.send(here, SYN, note="syn-again", sequence=flow.next[here] - 1)
        flow.send(there, SYN | ACK)
        flow.send(here, ACK)


def reset_while_closing(flow):
    flow.handshake()
    flow.exchange(1)
    first = flow.random.choice("ab")
    flow.send(first, FIN | ACK)
    stage = flow.random.randrange(3)
    if stage > 0:
        flow.send(OTHER[first], ACK)
    if stage > 1:
        flow.send(OTHER[first], FIN | ACK)
    side = flow.random.choice("ab")
    offset = flow.random.choice((0, 0, 40, -100_000, flow.seen_window(side) + 70_000))
    note = "reset-closing-fits" if offset in (0, 40) else "reset-closing"
    flow.reset(side, note, offset, acknowledge=flow.random.random() < 0.5)
    flow.send(OTHER[side], ACK, note="ack-after-reset")


def reset_after_end(flow):
    flow.handshake()
    flow.close("a")
    side = flow.random.choice("ab")
    offset = flow.random.choice((0, 5, -100_000, 1 << 20))
    flow.reset(side, "reset-time-wait-fits" if offset in (0, 5) else "reset-time-wait", offset)
    flow.send(OTHER[side], ACK, note="ack-after-reset")


def syn_in_established(flow):
    flow.handshake()
    flow.exchange(1)
    side = flow.random.choice("ab")
    flow.send(side, SYN, note="syn-in-established", sequence=flow.random.getrandbits(32))
    flow.send(OTHER[side], ACK, note="challenge-ack")
    if flow.random.random() < 0.5:
        flow.reset(side, "reset-after-challenge", acknowledge=False)
    else:
        flow.exchange(2)


def reopened_by_syn(flow):
    """One end forgot the connection: its SYN is answered by a SYN+ACK and life begins anew."""
    flow.handshake()
    flow.exchange(1)
    here, there = flow.opener, OTHER[flow.opener]
    flow.next = {side: flow.random.getrandbits(32) for side in "ab"}
    flow.send(here, SYN, note="syn-in-established")
    flow.send(there, SYN | ACK, note="syn-ack-in-established")
    flow.send(here, ACK)
    flow.exchange(2)


def time_wait_reuse(flow):
    flow.handshake()
    flow.exchange(1)
    flow.close(flow.random.choice("ab"))
    side = flow.random.choice("ab")
    flow.next[side] += flow.random.choice((100_000, 5, -5_000))
    flow.next[OTHER[side]] = flow.random.getrandbits(32)
    flow.send(side, SYN, note="reuse")
    flow.send(OTHER[side], SYN | ACK, note="reuse-answer")
    flow.send(side, ACK)
    flow.exchange(2)


def closed_reuse(flow):
    flow.handshake()
    side = flow.random.choice("ab")
    flow.reset(side, "reset-exact")
    side = flow.random.choice((side, OTHER[side]))
    flow.next[side] += 100_000
    flow.send(side, SYN, note="reuse")
    flow.send(OTHER[side], SYN | ACK, note="reuse-answer")
    flow.send(side, ACK)


def midstream(flow):
    first = flow.random.choice((ACK, ACK, ACK | PSH, FIN | ACK, RST, RST | ACK, SYN | ACK))
    flow.send(flow.opener, first, flow.random.choice((0, 100)), "midstream")
    flow.send(OTHER[flow.opener], ACK, 50, "midstream-answer")
    flow.exchange(3)
    flow.close(flow.random.choice("ab"))


def impossible_flags(flow):
    if flow.random.random() < 0.6:
        flow.handshake()
    for _ in range(4):
        flags = flow.random.choice((
            0, SYN | FIN, SYN | RST, FIN, FIN | PSH | URG, URG, PSH, 0x3F, FIN | RST | ACK,
            SYN | ACK | URG, RST | URG, SYN | PSH, SYN | ECE | CWR, ACK | URG, ACK | ECE))
        side = flow.random.choice("ab")
        flow.send(side, flags, note=f"flags-{flags:02x}", sequence=flow.next[side])
    flow.exchange(1)


def simultaneous_open(flow):
    here, there = flow.opener, OTHER[flow.opener]
    one = flow.send(here, SYN)
    two = flow.send(there, SYN, note="simultaneous")
    flow.send(here, SYN | ACK, note="simultaneous", sequence=one)
    flow.send(there, SYN | ACK, note="simultaneous", sequence=two)
    flow.exchange(3)


def outside_windows(flow):
    flow.handshake()
    flow.exchange(2)
    for _ in range(4):
        side = flow.random.choice("ab")
        window = flow.seen_window(side)
        what = flow.random.randrange(6)
        position = flow.next[side]
        if what == 0:
            flow.send(side, ACK, 100, "beyond", sequence=position + window + 70_000)
        elif what == 1:
            flow.send(side, ACK, 100, "overshoot", sequence=position + window - 50)
        elif what == 2:
            flow.send(side, ACK, 100, "old-data", sequence=position - window - 80_000)
        elif what == 3:
            flow.send(side, ACK, 10, "ack-of-unseen",
                      acknowledgement=flow.next[OTHER[side]] + 5000, sequence=position)
        elif what == 4:
            flow.send(side, ACK, 0, "ack-too-old",
                      acknowledgement=flow.next[OTHER[side]] - (1 << 26), sequence=position)
        else:
            flow.send(side, FIN | ACK, 0, "fin-beyond", sequence=position + window + 70_000)
    flow.exchange(2)


def refused_by_rule(flow):
    flow.send(flow.opener, SYN, note="refused")
    flow.send(OTHER[flow.opener], SYN | ACK, note="answer-to-refused")
    flow.send(flow.opener, ACK, note="refused")
    flow.send(OTHER[flow.opener], RST, note="reset-of-refused")


def any_walk(flow):
    """Flags and numbers from a hat: nobody sends this, and both must still say the same."""
    choices = (SYN, SYN | ACK, ACK, ACK, ACK | PSH, FIN | ACK, RST, RST | ACK)
    for _ in range(flow.random.randint(6, 20)):
        side = flow.random.choice("ab")
        flags = flow.random.choice(choices)
        if flow.random.random() < 0.7:
            flow.send(side, flags, flow.random.choice((0, 0, 60)) if flags & ACK else 0, "walk")
        else:
            shift = flow.random.choice((-1, 1, 300, -300, 70_000, -70_000))
            flow.send(side, flags, 0, "walk-shifted", sequence=flow.next[side] + shift)


TCP_SCENARIOS = (
    ordinary, ordinary, handshake_retried, refused_by_peer, reset_exact, reset_inside_window,
    reset_outside_window, reset_in_handshake, reset_while_closing, reset_after_end,
    syn_in_established, reopened_by_syn, time_wait_reuse, closed_reuse, midstream, midstream,
    impossible_flags, simultaneous_open, outside_windows, outside_windows, any_walk)


def datagram(flow, side, ports, length, note=""):
    flow.add(side, packets.UDP, lambda source, destination: packets.udp(
        source, destination, ports, length), note)


def udp_exchange(flow):
    opener = flow.random.choice("ab")
    low, high = lab.EGRESS_PORTS if opener == "a" else lab.INGRESS_UDP
    port = flow.random.randint(low, high)
    if flow.random.random() < 0.25:
        port = 30_500
    here, there = (32_000 + flow.number, port), (port, 32_000 + flow.number)
    if flow.random.random() < 0.3:
        datagram(flow, OTHER[opener], there, 20, "answer-before-request")
    for _ in range(flow.random.randint(1, 4)):
        datagram(flow, opener, here, flow.random.randint(0, 300))
        datagram(flow, OTHER[opener], there, flow.random.randint(0, 300))
    datagram(flow, OTHER[opener], (port, 31_999 + flow.number), 20, "other-port")


def echo_types(flow):
    return (8, 0) if flow.family == 4 else (128, 129)


def icmp_protocol(flow):
    return packets.ICMP if flow.family == 4 else packets.ICMPV6


def icmp_message(flow, side, kind, code, word, body=b"", note="", source=None):
    flow.add(side, icmp_protocol(flow), lambda here, there: packets.icmp(
        here, there, kind, code, word, body), note, source=source)


def echo(flow):
    request, reply = echo_types(flow)
    opener = flow.random.choice("ab")
    identifier = flow.number
    what = flow.random.randrange(4)
    if what == 0:
        icmp_message(flow, OTHER[opener], reply, 0, identifier << 16 | 1, note="reply-alone")
    for sequence in range(1, flow.random.randint(2, 4)):
        icmp_message(flow, opener, request, 0, identifier << 16 | sequence, b"ping")
        if what == 1:
            icmp_message(flow, OTHER[opener], reply, 0, (identifier + 9000) << 16 | sequence,
                         note="other-identifier")
        icmp_message(flow, OTHER[opener], reply, 0, identifier << 16 | sequence, b"ping")
        icmp_message(flow, OTHER[opener], reply, 0, identifier << 16 | sequence, b"ping", "again")
    if what == 2:
        icmp_message(flow, opener, reply, 0, identifier << 16 | 1, note="reply-by-opener")
    if what == 3:
        icmp_message(flow, OTHER[opener], request, 0, identifier << 16 | 1, note="request-back")


def icmp_query(flow):
    """Timestamp request and answer (RFC 792): a connection to the kernel, none to AWS."""
    opener = flow.random.choice("ab")
    body = bytes(12)
    icmp_message(flow, opener, 13, 0, flow.number << 16, body, "icmp-query")
    icmp_message(flow, OTHER[opener], 14, 0, flow.number << 16, body, "icmp-answer")
    icmp_message(flow, opener, flow.random.choice((40, 9, 10)), 0, 0, body, "icmp-other")


def error_types(flow):
    """(type, code, word) of errors: unreachable, too big, time exceeded, parameter problem."""
    if flow.family == 4:
        return ((3, 3, 0), (3, 1, 0), (3, 4, 1300), (11, 0, 0), (12, 0, 0))
    return ((1, 4, 0), (1, 0, 0), (2, 0, 1300), (3, 0, 0), (4, 0, 0))


def quoted(flow, side, protocol, segment):
    """What an error quotes: a packet that `side` sent."""
    source, destination = flow.address[side], flow.address[OTHER[side]]
    return packets.ip(source, destination, protocol, segment(source, destination), 1)


def icmp_error(flow):
    """Errors about a live connection from both ends and from the way, and about unknown ones."""
    port = flow.random.randint(1000, 20_000)
    mine = 32_000 + flow.number
    protocol = flow.random.choice((packets.UDP, packets.TCP, icmp_protocol(flow)))
    numbers = (flow.random.getrandbits(32), 0)

    def request(ports):
        def segment(source, destination):
            if protocol == packets.UDP:
                return packets.udp(source, destination, ports, 8)
            if protocol == packets.TCP:
                return packets.tcp(source, destination, ports, SYN, *numbers, 1000, b"", 0)
            return packets.icmp(
                source, destination, echo_types(flow)[0], 0, ports[0] << 16 | 1, b"ping")
        return segment

    live = request((mine, port))
    flow.add("a", protocol, live)
    for _ in range(5):
        kind, code, word = flow.random.choice(error_types(flow))
        what = flow.random.randrange(7)
        sender, source, note, quote = "b", None, "error", quoted(flow, "a", protocol, live)
        if what == 0:
            source, note = lab.ON_PATH[flow.family], "error-on-path"
        elif what == 1:
            quote = quoted(flow, "a", protocol, request((mine ^ 0x4000, port)))
            note = "error-unknown"
        elif what == 2:
            quote, note = quoted(flow, "b", protocol, live), "error-not-reversed"
        elif what == 3:
            quote, note = quote[:(20 if flow.family == 4 else 40) + 8], "error-short-quote"
        elif what == 4:
            quote, note = quote[:(20 if flow.family == 4 else 40) + 4], "error-cut-quote"
        elif what == 5:
            sender, note = "a", "error-to-wrong-end"
        elif flow.random.random() < 0.5:
            # An answer of B was refused by A's stack: A says so.
            answer = request((port, mine))
            sender, quote, note = "a", quoted(flow, "b", protocol, answer), "error-by-guest"
            if protocol in (packets.UDP, packets.TCP):
                note = "error-by-guest"
            else:
                note = "error-about-unseen-echo"
        icmp_message(flow, sender, kind, code, word, quote, note, source)


def other_protocol(flow):
    """GRE, which only B may begin, and ESP, which only A may: addresses are all there is."""
    protocol = flow.random.choice((packets.GRE, packets.ESP))
    flow.address["b"] = lab.PEERS[flow.family][flow.peer]
    body = bytes.fromhex("00000800") + bytes(20) if protocol == packets.GRE else bytes(40)
    sides = [flow.random.choice("ab") for _ in range(5)]
    for side in sides:
        flow.add(side, protocol, lambda source, destination: body, f"protocol-{protocol}")


def sctp_packet(flow, side, ports, tag, chunk, note):
    header = struct.pack("!HHII", *ports, tag, 0)
    flow.add(side, packets.SCTP, lambda source, destination: header + chunk, note)


def sctp(flow):
    """An association (RFC 9260), or data without one."""
    flow.address["b"] = lab.PEERS[flow.family][flow.peer]
    ports, back = (32_000 + flow.number, 9000), (9000, 32_000 + flow.number)
    init = struct.pack("!IIHHI", 0x1111, 65535, 1, 1, 1)
    data = struct.pack("!BBHIHHI", 0, 3, 20, 1, 0, 0, 0) + b"data"
    if flow.random.random() < 0.5:
        sctp_packet(flow, "a", ports, 0x2222, data, "sctp-data-alone")
    else:
        sctp_packet(flow, "a", ports, 0, struct.pack("!BBH", 1, 0, 20) + init, "sctp")
        answer = struct.pack("!IIHHI", 0x2222, 65535, 1, 1, 1)
        sctp_packet(flow, "b", back, 0x1111, struct.pack("!BBH", 2, 0, 20) + answer, "sctp")
        sctp_packet(flow, "a", ports, 0x2222, struct.pack("!BBH", 10, 0, 8) + b"cook", "sctp")
        sctp_packet(flow, "b", back, 0x1111, struct.pack("!BBH", 11, 0, 4), "sctp")
    sctp_packet(flow, "b", back, 0x1111, data, "sctp-data")
    sctp_packet(flow, "a", ports, 0x9999, data, "sctp-wrong-tag")


def fragments(flow):
    ports = (32_000 + flow.number, flow.random.randint(1000, 20_000))
    side = flow.random.choice("ab")
    if side == "b":
        ports = (ports[0], flow.random.choice((5050, 6000)))
    first, second = flow.random.choice((64, 128, 512)), flow.random.choice((600, 800))
    arrangements = {
        "in-order": [(0, first), (first, second), (second, 1008)],
        "reversed": [(second, 1008), (first, second), (0, first)],
        "first-alone": [(0, first)],
        "without-first": [(first, 1008)],
        "overlap": [(0, first), (first - 8, second), (second, 1008)],
    }
    note = flow.random.choice(list(arrangements))
    flow.add_pieces(side, packets.UDP, lambda source, destination: packets.udp(
        source, destination, ports, 1000), arrangements[note], f"fragments-{note}")


def fragmented_tcp(flow):
    flow.handshake()
    flow.exchange(1)
    side = flow.random.choice("ab")
    offset = flow.random.choice((0, 0, flow.seen_window(side) + 200_000))
    start, acknowledgement = flow.next[side] + offset, flow.next[OTHER[side]]
    ports = (flow.ports[side], flow.ports[OTHER[side]])
    flow.add_pieces(side, packets.TCP, lambda source, destination: packets.tcp(
        source, destination, ports, ACK, start, acknowledgement, flow.window[side], b"", 780),
        [(0, 400), (400, 800)], "fragmented-segment" + ("-beyond" if offset else ""))
    if not offset:
        flow.next[side] += 780
    flow.exchange(2)


DATAGRAM_SCENARIOS = (
    (udp_exchange, 8), (echo, 5), (icmp_error, 6), (fragments, 3))


def flows(random):
    """The conversations of a seed."""
    number = 0
    for scenario in TCP_SCENARIOS * 2:
        number += 1
        flow = TCPFlow(random, number, scenario.__name__, random.choice((4, 4, 6)),
                       random.choice("ab"))
        scenario(flow)
        yield flow
    for scenario, denied in ((refused_by_rule, True), (fragmented_tcp, False)):
        number += 1
        flow = TCPFlow(random, number, scenario.__name__, random.choice((4, 6)),
                       random.choice("ab"), denied)
        scenario(flow)
        yield flow
    for scenario, count in DATAGRAM_SCENARIOS:
        for _ in range(count):
            number += 1
            flow = Flow(random, number, scenario.__name__, random.choice((4, 4, 6)))
            scenario(flow)
            yield flow
    number += 1
    flow = Flow(random, number, "icmp_query", 4)
    icmp_query(flow)
    yield flow
    # Without ports, only the address tells these conversations apart.
    peers = random.sample(range(len(lab.PEERS[4])), 5)
    for scenario, peer in zip((other_protocol, other_protocol, other_protocol, sctp, sctp), peers):
        number += 1
        flow = Flow(random, number, scenario.__name__, random.choice((4, 6)))
        flow.peer = peer
        scenario(flow)
        yield flow


def weave(random, conversations):
    """The packets of conversations, woven into one another, with their tags and bytes."""
    lists = [flow.list for flow in conversations]
    woven = []
    while lists:
        chosen = random.choice(lists)
        woven.append(chosen.pop(0))
        if not chosen:
            lists = [remaining for remaining in lists if remaining]
    for tag, entry in enumerate(woven, 1):
        entry["tag"] = tag
        entry["pieces"] = entry.pop("build")(tag)
    return woven


def generate(seed):
    """The packets of a seed: the conversations, woven into one another."""
    random = randomness.Random(seed)
    return weave(random, flows(random))
