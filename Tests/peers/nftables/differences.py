"""The differences between engine and kernel that are meant, each with its reason.

docs/conformance.md has the same list in sentences. What no function here recognises fails the
comparison.
"""

from packets import ACK, FIN, RST, SYN

PASSES = ("new", "established", "related", "none", "untracked")
HANDSHAKE = ("SYN_SENT", "SYN_SENT2", "SYN_RECV")
CLOSING = ("FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE")


class Kind:
    """A named difference.

    After a `lasting` one the two follow different connections. `follows` looks at the conversation
    so far, the packet included.
    """

    def __init__(self, name, reason, recognises, lasting=False, follows=lambda history: True):
        self.name = name
        self.reason = reason
        self.recognises = recognises
        self.lasting = lasting
        self.follows = follows


def is_refused_reset(entry):
    """A RST that may be outside the window; of those that fit, both must think the same."""
    return (entry["flags"] & RST and entry["engine"] == "invalid"
            and entry["kernel"] == "established" and entry["note"] in (
                "reset-outside", "reset-closing", "reset-time-wait", "walk", "walk-shifted",
                "captured"))


def reset_while_closing(entry):
    return is_refused_reset(entry) and entry["before"] in CLOSING


def reset_ignored(entry):
    return is_refused_reset(entry) and entry["before"] not in CLOSING


def after_fragmented_segment(history):
    return any(len(entry["pieces"]) > 1 for entry in history)


def fragmented_segment(entry):
    return (entry["scenario"] == "fragmented_tcp" and entry["engine"] == "established"
            and entry["kernel"] == "invalid")


def fragment_order(entry):
    return (entry["note"] == "fragments-reversed" and entry["engine"] == "fragment.orphan"
            and entry["kernel"] in ("new", "refused"))


def fragment_incomplete(entry):
    return (entry["note"] == "fragments-first-alone" and entry["engine"] in ("new", "refused")
            and entry["kernel"] == "held")


def fragment_inside(entry):
    return (entry["note"] == "fragments-inside" and entry["engine"] == "fragment.overlap"
            and entry["kernel"] == "new")


def fragment_reason(entry):
    expected = {"fragments-overlap": ("fragment.overlap", "refused"),
                "fragments-without-first": ("fragment.orphan",)}
    return entry["kernel"] == "held" and entry["engine"] in expected.get(entry["note"], ())


def sctp_state(entry):
    return (entry["note"] in ("sctp-data-alone", "sctp-data", "sctp-wrong-tag")
            and entry["engine"] in ("new", "established") and entry["kernel"] == "invalid")


def icmp_query(entry):
    by_rule = "none" if entry["side"] == "a" else "refused"
    return entry["scenario"] == "icmp_query" and entry["engine"] == by_rule


def icmp_error_by_rule(entry):
    by_rule = "none" if entry["side"] == "a" else "refused"
    return (entry["scenario"] in ("icmp_error", "icmp_related") and entry["note"] in (
        "error-unknown", "error-not-reversed", "error-to-wrong-end", "error-about-unseen-echo",
        "error-cut-quote") and entry["engine"] == by_rule and entry["kernel"] == "invalid")


def icmp_cut_quote(entry):
    return (entry["note"] == "error-cut-quote" and entry["engine"] == "refused"
            and entry["kernel"] == "related")


ALL = (
    Kind("reset-while-closing",
         "the kernel does not look where a RST is once a connection closes; here it must fit",
         reset_while_closing, lasting=True),
    Kind("reset-ignored",
         "the kernel lets a RST pass that is up to a window too far or too old, without believing"
         " it; here it is invalid", reset_ignored, lasting=True),
    Kind("fragmented-segment",
         "the kernel puts the segment together first; here its length is not known and the window"
         " check of its connection ends", fragmented_segment, follows=after_fragmented_segment),
    Kind("fragment-order", "the kernel waits for the first fragment; here order opens no hole",
         fragment_order),
    Kind("fragment-incomplete",
         "the kernel keeps pieces until all are there; here each is judged when it comes",
         fragment_incomplete),
    Kind("fragment-inside",
         "the kernel takes a piece inside of another for a copy; here only an exact copy is one",
         fragment_inside),
    Kind("fragment-reason", "both drop it; the kernel before its rules see it", fragment_reason),
    Kind("sctp-state",
         "the kernel follows SCTP's states and tags; here addresses and protocol are the"
         " connection",
         sctp_state),
    Kind("icmp-query",
         "timestamp requests and their like are connections to the kernel; here rules judge them",
         icmp_query),
    Kind("icmp-error-by-rule",
         "an error about no live connection is invalid to the kernel; here a rule may allow it",
         icmp_error_by_rule),
    Kind("icmp-cut-quote",
         "the kernel needs 4 bytes of the quoted transport header; here 8, as RFC 792 says",
         icmp_cut_quote),
    Kind("refused-reuse",
         "a SYN in TIME_WAIT that the rules refuse ends the old connection in the kernel; here a"
         " dropped packet changes nothing", lambda entry: False),
    Kind("invalid-mark",
         "the kernel takes over windows from a segment before it finds it invalid, or notes that"
         " there was one; here a dropped packet changes nothing", lambda entry: False),
    Kind("aftermath", "follows from an earlier difference of the same conversation",
         lambda entry: False),
)
KINDS = {kind.name: kind.reason for kind in ALL}


def is_refused_reuse(entry):
    """Both refuse a SYN that would have begun an ended connection anew."""
    return (entry["flags"] & (SYN | ACK | FIN | RST) == SYN and entry["before"] in CLOSING
            and entry["engine"] == entry["kernel"] == "refused")


def leaves_mark(entry):
    """Both drop it, and only the kernel remembers it."""
    return entry["kernel"] == "invalid" and (
        entry["before"] in HANDSHAKE or entry["before"] and entry["flags"] & (FIN | RST))


def is_reset_while_closing(entry):
    """Both accept it, but only here it went through the window check and moved its bounds."""
    return entry["flags"] & RST and entry["before"] in CLOSING and entry["kernel"] == "established"


def is_same_verdict(entry):
    """Whether the packet passes both or neither, whatever the state or reason."""
    return (entry["engine"] in PASSES) == (entry["kernel"] in PASSES)


def classify(entry, history):
    """The name of a difference, or None when it is not a meant one.

    `history` are the earlier packets of the conversation.
    """
    for kind in ALL:
        if kind.recognises(entry) and kind.follows(history + [entry]):
            return kind.name
    if any(is_refused_reuse(earlier) for earlier in history):
        return "refused-reuse"
    lasting = {kind.name for kind in ALL if kind.lasting}
    if any(earlier.get("kind") in lasting or is_reset_while_closing(earlier)
           for earlier in history):
        return "aftermath"
    # What passed in pieces here, and not there, has an answer here.
    if entry["note"] == "answer-to-fragments" and any(earlier.get("kind") for earlier in history):
        return "aftermath"
    if any(leaves_mark(earlier) for earlier in history):
        return "invalid-mark"
    return None
