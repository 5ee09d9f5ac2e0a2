"""The six conntrack scenarios of the Linux kernel's packetdrill selftests, as packet sequences.

Written anew from what each of them is about (tools/testing/selftests/net/netfilter of the kernel's
sources names them). `expected` is what that test demands of the kernel, so that a scenario which
was told wrongly is noticed.
"""

import random as randomness
import struct

from conversation import OTHER, TCPFlow
from generator import weave
from packets import ACK, FIN, PSH, RST, SYN

PASS, INVALID = "pass", "invalid"
# Bytes of data in a segment that fits both networks, tunnel and all.
SEGMENT = 1200


class Script(TCPFlow):
    """A conversation whose numbers count from each end's first one, as packetdrill's do."""

    def say(self, side, flags, start, length=0, ack=None, window=65535, options=b"",
            expected=PASS, note="scripted"):
        other = OTHER[side]
        self.send(
            side, flags, length, note, self.base[side] + start,
            0 if ack is None else self.base[other] + ack, window, options)
        self.list[-1]["expected"] = expected

    @property
    def base(self):
        return self.syn_sequence


def syn_options(selective=False, stamp=None, scale=None, size=1460):
    """Options of a SYN; `stamp` is (value, echo)."""
    options = struct.pack("!BBH", 2, 4, size)
    if selective:
        options += b"\x04\x02"
    if stamp:
        options += b"\x01\x01" + struct.pack("!BBII", 8, 10, *stamp)
    if scale is not None:
        options += b"\x01" + bytes([3, 3, scale])
    return options


OPENER = syn_options(selective=True, stamp=(1, 0), scale=8)
ANSWER = syn_options(stamp=(1, 1), scale=0)


def ack_loss_stall(script):
    """Data that was acknowledged long ago, a whole window back, comes again: let it through."""
    here, there = script.opener, OTHER[script.opener]
    script.say(here, SYN, 0, window=32792, options=syn_options(size=1000))
    script.say(there, SYN | ACK, 0, ack=1, options=syn_options())
    script.say(here, ACK, 1, ack=1)
    end = 1
    while end < 1 + 57 * SEGMENT:
        script.say(here, PSH | ACK, end, SEGMENT, ack=1, window=257)
        end += SEGMENT
        script.say(there, ACK, 1, ack=end)
    script.say(here, PSH | ACK, 1, SEGMENT, ack=1, window=257, note="acknowledged-again")
    script.say(there, ACK, 1, ack=end)


def three_segments(script):
    """A client connects, and its server sends 3,000 bytes that are all acknowledged."""
    here, there = script.opener, OTHER[script.opener]
    script.say(here, SYN, 0, options=OPENER)
    script.say(there, SYN | ACK, 0, ack=1, options=syn_options())
    script.say(here, ACK, 1, ack=1)
    for number in range(3):
        script.say(there, ACK, 1 + number * 1000, 1000, ack=1)
    for number in range(3):
        script.say(here, ACK, 1, ack=1001 + number * 1000)
    return here, there


def inexact_rst(script):
    """A RST that is not exact after both have begun to close: let it through."""
    here, there = three_segments(script)
    script.say(here, PSH | ACK, 1, 1000, ack=3001)
    script.say(there, FIN | ACK, 3001, ack=1001)
    script.say(here, ACK, 1001, ack=3002)
    script.say(here, RST | ACK, 1001, ack=3002)
    script.say(there, RST, 2001, window=0, note="reset-closing")


def rst_invalid(script):
    """RSTs of an established connection: only the exact one counts, the others are invalid."""
    here, there = three_segments(script)
    for start in (0, 1_000_000, 42):
        script.say(there, RST, start, window=0, expected=INVALID, note="reset-outside")
    script.say(here, PSH | ACK, 1, 1000, ack=3001)
    script.say(there, ACK, 3001, ack=1001)
    script.say(there, RST | ACK, 3000, ack=1001, window=0, expected=INVALID, note="reset-outside")
    script.say(there, RST | ACK, 3001, ack=1001, window=0)


def syn_challenge_ack(script):
    """A SYN meets a peer that still has the old connection; its challenge leads to a new one."""
    here, there = script.opener, OTHER[script.opener]
    old, unknown = 145_824_453, 643_160_523
    script.say(here, SYN, 0, options=OPENER)
    script.say(there, ACK, old, ack=unknown, window=240, options=ANSWER, note="challenge-ack")
    script.say(here, RST, unknown, window=0, note="reset-after-challenge")
    script.say(here, SYN, 0, options=OPENER, note="syn-again")
    script.say(there, SYN | ACK, 0, ack=1, window=250, options=ANSWER)
    stamps = b"\x01\x01" + struct.pack("!BBII", 8, 10, 1, 1)
    script.say(here, ACK, 1, ack=1, window=256, options=stamps)


def synack_old(script):
    """A SYN+ACK to an older SYN is invalid, and the right one behind it passes."""
    here, there = script.opener, OTHER[script.opener]
    old, new, unknown = 145_824_453, 145_758_918, 643_160_523
    script.say(here, SYN, 0, options=OPENER)
    script.say(there, SYN | ACK, old, ack=unknown, window=240,
               options=syn_options(stamp=(1, 1), scale=0, size=1440), expected=INVALID,
               note="old-syn-ack")
    script.say(here, SYN, 0, options=OPENER, note="syn-again")
    script.say(there, SYN | ACK, new, ack=1, window=250, options=ANSWER)
    stamps = b"\x01\x01" + struct.pack("!BBII", 8, 10, 1067, 1)
    script.say(here, PSH | ACK, 1, 1, ack=new + 1, window=256, options=stamps)


def synack_reuse(script):
    """A SYN on a live connection, a challenge, a RST, and the SYN again: a new connection."""
    here, there = script.opener, OTHER[script.opener]

    def stamp(value, echo):
        return b"\x01\x01" + struct.pack("!BBII", 8, 10, value, echo)

    script.say(here, SYN, 0, window=32792, options=syn_options(stamp=(1, 0), scale=7, size=1000))
    script.say(there, SYN | ACK, 0, ack=1, options=syn_options(stamp=(100, 1), scale=8))
    script.say(here, ACK, 1, ack=1, window=257, options=stamp(1, 100))
    script.say(here, PSH | ACK, 1, 100, ack=1, window=257, options=stamp(2, 100))
    script.say(there, ACK, 1, ack=101, window=256, options=stamp(110, 2))
    script.say(here, SYN, 2000, window=32792, note="syn-in-established",
               options=syn_options(stamp=(233, 0), scale=7, size=1000))
    script.say(there, ACK, 1, ack=101, window=256, options=stamp(112, 2), note="challenge-ack")
    script.say(here, RST | ACK, 101, ack=1, window=257, note="reset-after-challenge")
    script.say(here, SYN, 2000, window=32792, note="reuse",
               options=syn_options(stamp=(233, 0), scale=0, size=1000))
    script.say(there, SYN | ACK, 5000, ack=2001, options=syn_options(), note="reuse-answer")


SCENARIOS = (
    ack_loss_stall, inexact_rst, rst_invalid, syn_challenge_ack, synack_old, synack_reuse)


def generate(seed):
    """Each scenario over both families and opened from both sides, with the seed's numbers."""
    random = randomness.Random(seed)
    flows = []
    for scenario in SCENARIOS:
        for family in (4, 6):
            for opener in "ab":
                script = Script(random, len(flows) + 1, scenario.__name__, family, opener)
                scenario(script)
                flows.append(script)
    return weave(random, flows)
