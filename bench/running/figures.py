"""Medians, ratios of neighbouring turns, and intervals."""
import random
import statistics

LEAST_PAIRS = 6


def summary(samples):
    """The median of samples with the extremes beside it; None for none."""
    if not samples:
        return None
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples)}


def advantages(ours, theirs, better):
    """How many times better each of our samples is than theirs of the same round.

    `better` is "lower" for what costs (cycles, microseconds, bytes) and "higher" for rates. Rounds in
    which either has nothing are left out.
    """
    pairs = [(one, other) for one, other in zip(ours, theirs)
             if one is not None and other is not None and one > 0 and other > 0]
    return [other / one if better == "lower" else one / other for one, other in pairs]


def interval(samples, part=0.95, draws=2_000, seed=1):
    """The bootstrap interval of the median, which holds the true one with this probability.

    The draws follow from the seed, so that the same samples give the same interval.
    """
    if not samples:
        return None
    chance = random.Random(seed)
    medians = sorted(statistics.median(chance.choices(samples, k=len(samples)))
                     for _ in range(draws))
    tail = (1 - part) / 2
    return medians[int(tail * (draws - 1))], medians[int((1 - tail) * (draws - 1))]


def slowdowns(before, after, better):
    """How many times worse `after` is than `before`, round by round: 1.05 is five percent worse."""
    return [1 / gain for gain in advantages(after, before, better)]


def change(before, after, better):
    """The slowdown from `before` to `after`: its median and its interval; None without samples."""
    pairs = slowdowns(before, after, better)
    if not pairs:
        return None
    low, high = interval(pairs)
    return {"median": statistics.median(pairs), "low": low, "high": high, "pairs": len(pairs)}


def is_regression(measured, percent):
    """Whether something got slower by more than so many percent, and not by chance.

    The whole interval lies on the slower side, and the median is beyond the threshold. Fewer than six
    pairs prove nothing: five go the same way by chance once in sixteen times.
    """
    return (measured["pairs"] >= LEAST_PAIRS and measured["low"] > 1
            and measured["median"] > 1 + percent / 100)


def converted(value, unit, wanted, tsc):
    """A figure in another unit: between cycles a packet (or lookup) and millions a second.

    Raises ValueError where one cannot be told from the other.
    """
    if unit == wanted:
        return value
    # `per` counts how many of the wanted unit one of the unit is; both are of the same kind.
    scales = {"us": 1.0, "ms": 1_000.0, "s": 1_000_000.0, "ns": 0.001}
    if unit in scales and wanted in scales:
        return value * scales[unit] / scales[wanted]
    rates = {rate: factor for prefix, factor in (("M", 1.0), ("k", 0.001))
             for rate in (f"{prefix}pps", f"{prefix}/s", *(f"{prefix} {of}/s" for of in (
                 "flows", "connections", "lookups", "packets")))}
    rates.update({"/s": 1e-6, "pps": 1e-6, "flows/s": 1e-6, "connections/s": 1e-6, "lookups/s": 1e-6})
    if unit in rates and wanted in rates:
        return value * rates[unit] / rates[wanted]
    counted = {"cycles": 1, "cycles/packet": 1, "cycles/lookup": 1, "cycles/verdict": 1,
               "cycles/flow": 1, "cycles/connection": 1}
    if unit in counted and wanted in counted:
        return value
    if unit in counted and wanted in rates and value > 0:
        return tsc / value / 1e6 / rates[wanted]
    if unit in rates and wanted in counted and value > 0:
        return tsc / (value * rates[unit] * 1e6)
    raise ValueError(f"{unit} is not {wanted}")
