"""The differences between the engine and Open vSwitch's userspace conntrack that are meant.

docs/conformance.md has the same list in sentences. What no function here recognises fails the
comparison.
"""

from packets import FIN, RST

# The smallest piece but the last that the switch can be told to take.
SMALLEST_PIECE = 400


def new_until_answered(entry, history):
    return (entry["engine"] == "established" and entry["kernel"] == "new"
            and all(earlier["side"] == entry["side"] for earlier in history
                    if earlier["kernel"] not in ("refused", "invalid", "held")))


def picked_up(entry, history):
    """A FIN or RST that is the first of its conversation."""
    return (entry["note"] == "midstream" and entry["engine"] == "invalid" and not history
            and entry["flags"] & (FIN | RST) and entry["kernel"] in ("new", "refused"))


def over_limit(entry, history):
    """One connection too many: dropped here, and passed without being tracked there."""
    return entry["engine"] == "limit.connections" and entry["kernel"] == "new"


def fragment_order(entry, history):
    return (entry["note"] == "fragments-reversed" and entry["engine"] == "fragment.orphan"
            and entry["kernel"] == "new")


def fragment_incomplete(entry, history):
    return (entry["note"] == "fragments-first-alone" and entry["engine"] == "new"
            and entry["kernel"] == "held")


def fragment_reason(entry, history):
    expected = {"fragments-overlap": "fragment.overlap", "fragments-inside": "fragment.overlap",
                "fragments-without-first": "fragment.orphan"}
    return (entry["kernel"] in ("held", "invalid")
            and entry["engine"] == expected.get(entry["note"], ""))


def fragment_doubled(entry, history):
    return (entry["note"] == "fragments-doubled" and entry["engine"] == "new"
            and entry["kernel"] in ("invalid", "held"))


def fragment_small(entry, history):
    return (entry["note"] == "fragments-tiny-steps" and entry["engine"] == "new"
            and entry["kernel"] == "invalid")


def icmp_error_by_rule(entry, history):
    return (entry["note"] == "error-unknown" and entry["engine"] == "refused"
            and entry["kernel"] == "invalid")


ALL = (
    ("new-until-answered", "the switch calls a connection new until it was answered; here only its"
     " first packet is", new_until_answered),
    ("picked-up", "the switch begins a connection with a FIN or RST; here they are invalid",
     picked_up),
    ("over-limit", "the switch passes what would be one connection too many, and does not track it;"
     " here it is dropped", over_limit),
    ("fragment-order", "the switch waits for the first fragment; here order opens no hole",
     fragment_order),
    ("fragment-incomplete",
     "the switch keeps pieces until all are there; here each is judged when it comes",
     fragment_incomplete),
    ("fragment-reason", "both drop it, for a reason of their own", fragment_reason),
    ("fragment-doubled", "the switch drops a datagram of which a piece came twice; here an exact"
     " copy follows its datagram", fragment_doubled),
    ("fragment-small", f"the switch takes no piece under {SMALLEST_PIECE} bytes but the last; here"
     " only the first has to hold its transport header", fragment_small),
    ("icmp-error-by-rule",
     "an error about no live connection is invalid to the switch; here a rule may allow it",
     icmp_error_by_rule),
    ("aftermath", "follows from an earlier difference of the same conversation", None),
)
KINDS = {name: reason for name, reason, _ in ALL}


def classify(entry, history):
    """The name of a difference, or None when it is not a meant one.

    `history` are the earlier packets of the conversation.
    """
    for name, _, recognises in ALL:
        if recognises and recognises(entry, history):
            return name
    if any((earlier.get("kind") or "").startswith("fragment-") for earlier in history):
        return "aftermath"
    return None
