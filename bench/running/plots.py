"""Plots as SVG: bars of what was measured, and the way from gate to goal."""
import html
import math

# They read on light and on dark pages alike, as the picture brings its own ground.
GROUND, TEXT, FAINT = "#f7f7f5", "#2e3436", "#9aa0a3"
OURS, THEIRS, MARK = "#2f6f9f", "#b0763a", "#4b7f52"
FONT = 'font-family="system-ui, sans-serif" font-size="12"'


def text(x, y, words, colour=TEXT, anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" {FONT}>'
            f"{html.escape(words)}</text>")


def line(x1, y1, x2, y2, colour, width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def picture(width, height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">',
        f'<rect width="{width}" height="{height}" rx="6" fill="{GROUND}"/>',
        text(16, 24, title), *parts, "</svg>", ""])


def bars(title, unit, entries):
    """Horizontal bars from zero with whiskers from min to max.

    `entries` are (label, told, is_ours), told with median, min and max.
    """
    left, right, height = 250, 110, 24
    width = 760
    most = max(told["max"] for _, told, _ in entries)
    scale = (width - left - right) / most if most > 0 else 0
    parts = [text(width - 16, 24, unit, FAINT, "end")]
    for number, (label, told, is_ours) in enumerate(entries):
        y = 44 + number * height
        end = left + told["median"] * scale
        parts += [
            text(left - 8, y + 13, label, anchor="end"),
            f'<rect x="{left}" y="{y}" width="{max(1, end - left):.1f}" height="16" '
            f'fill="{OURS if is_ours else THEIRS}"/>',
            line(left + told["min"] * scale, y + 8, left + told["max"] * scale, y + 8, TEXT),
            text(left + told["max"] * scale + 6, y + 13, f"{told['median']:,.4g}")]
    return picture(width, 56 + len(entries) * height, title, parts)


def demands(rows):
    """(label, gain over the gate, gain of the goal over the gate) of every figure that has a gate.

    A gain of 1 is the gate itself; above it is better, whichever way the figure counts.
    """
    found = []

    def add(label, told, gate, goal, better):
        if told is None or told["median"] is None or not gate or min(told["min"], told["median"]) <= 0:
            return
        # A cost falls where a rate rises.
        gain = (lambda value: gate / value) if better == "lower" else (lambda value: value / gate)
        ends = sorted((gain(told["min"]), gain(told["max"])))
        found.append((label, gain(told["median"]), *ends, gain(goal) if goal else None))

    for row in rows:
        for figure in row["figures"]:
            add(f"{row['id']} {figure['key']}", figure, figure["gate"], figure["goal"],
                figure["better"])
            for versus in figure["versus"]:
                add(f"{row['id']} {figure['key']}, x {versus['who']}", versus["ratio"],
                    versus["gate"], versus["goal"], "higher")
    return found


def gates(title, entries):
    """For each demand a dot with whiskers, on a scale of powers, where 1 is the gate; | is the goal."""
    left, width, height = 330, 860, 20
    values = [value for entry in entries for value in entry[1:] if value] + [0.5, 2]
    low, high = math.log(min(values)), math.log(max(values))

    def place(value):
        return left + (math.log(value) - low) / (high - low) * (width - left - 40)

    bottom = 44 + len(entries) * height
    parts = [line(place(1), 36, place(1), bottom, FAINT, 2), text(place(1), bottom + 14, "gate", FAINT,
                                                                 "middle")]
    for number, (label, middle, first, last, goal) in enumerate(entries):
        y = 52 + number * height
        parts += [text(left - 10, y + 4, label, anchor="end"),
                  line(place(first), y, place(last), y, TEXT),
                  f'<circle cx="{place(middle):.1f}" cy="{y}" r="4.5" '
                  f'fill="{OURS if middle >= 1 else THEIRS}"/>']
        if goal:
            parts.append(line(place(goal), y - 7, place(goal), y + 7, MARK, 3))
    return picture(width, bottom + 26, title, parts)


def drawn(rows):
    """Every plot that these rows give: (file name, alternative text, picture)."""
    found = []
    for row in rows:
        if row["id"] != "P1":
            continue
        entries = []
        for figure in row["figures"]:
            if figure["median"] is None:
                continue
            entries.append((f"Apus, {figure['key']}", figure, True))
            entries += [(f"{versus['who']}" + ("" if versus["who"][-1].isalpha() else " flows"),
                         versus, False) for versus in figure["versus"] if versus["median"] is not None]
        if entries:
            found.append(("pipeline.svg", "Cycles a packet of the full pipeline and of its peers",
                          bars(row["what"], "cycles a packet", entries)))
    entries = demands(rows)
    if entries:
        words = "Every figure against its gate (line) and its goal (bar); right is better"
        found.append(("gates.svg", words, gates(words, entries)))
    return found
