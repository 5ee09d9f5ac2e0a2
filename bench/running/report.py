"""Tables of what was measured: for people, for bench/README.md, and as JSON."""
import os

BEGIN, END = "<!-- bench/run: begin -->", "<!-- bench/run: end -->"
WORDS = {"goal": "goal met", "met": "gate met", "missed": "**missed**", "": "",
         "short": "short of the goal",
         "not measured": "not measured"}


def short(value):
    """A figure in about three digits."""
    if value is None:
        return ""
    size = abs(value)
    if size >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def bound(value, better, unit=""):
    if value is None:
        return ""
    return f"{'at least' if better == 'higher' else 'at most'} {short(value)}{' ' + unit if unit else ''}"


def limits(figure, name):
    """A gate or goal in words: the figure's own, and what it shall be of each peer's."""
    parts = [bound(figure[name], figure["better"])]
    parts += [f"{short(versus[name])}x {versus['who']}" for versus in figure["versus"]
              if versus[name] is not None]
    return ", ".join(part for part in parts if part)


def spread(told):
    if told is None or told["median"] is None:
        return ""
    return f"{short(told['median'])} ({short(told['min'])} to {short(told['max'])})"


def cells(row, figure):
    peers = "; ".join(f"{versus['who']}: {spread(versus) or versus['note'] or 'not measured'}"
                      for versus in figure["versus"])
    ratios = ", ".join(f"{spread(versus['ratio'])}" for versus in figure["versus"] if versus["ratio"])
    measured = spread(figure) or figure["note"] or "not measured"
    return [row["id"], f"{row['what']}: {figure['key']}", figure["unit"], limits(figure, "gate"),
            limits(figure, "goal"), measured, peers, ratios, WORDS[figure["outcome"]]]


HEADS = ["row", "what", "unit", "gate", "goal", "Apus, median (min to max)",
         "compared with", "times better", "outcome"]


def table(rows):
    lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
    for row in rows:
        for figure in row["figures"]:
            texts = [text.replace("|", "\\|").replace("\n", " ") for text in cells(row, figure)]
            lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def plain(rows):
    """The same for a terminal, a few lines a figure."""
    lines = []
    for row in rows:
        lines.append(f"{row['id']}  {row['what']}")
        for figure in row["figures"]:
            measured = f"{spread(figure)} {figure['unit']}" if figure["median"] is not None else (
                f"not measured: {figure['note'] or 'no sample'}")
            wanted = "; ".join(f"{name} {text}" for name in ("gate", "goal")
                               if (text := limits(figure, name)))
            outcome = WORDS[figure["outcome"]].replace("*", "").upper()
            lines.append(f"  {figure['key']}: {measured}"
                         + (f"  [{wanted}]" if wanted else "")
                         + (f"  {outcome}" if outcome and figure["median"] is not None else ""))
            for versus in figure["versus"]:
                ratio = f"; {spread(versus['ratio'])} times better" if versus["ratio"] else ""
                told = spread(versus) or f"skipped: {versus['note'] or 'no sample'}"
                check = f" ({versus['check']})" if versus["check"] else ""
                lines.append(f"    {versus['who']}: {told}{ratio}{check}")
    return "\n".join(lines)


def unmeasured(rows):
    """Rows as data as a result without any sample: the table before anything is recorded."""
    from running.measuring import title
    return [{"id": row.id, "what": row.what, "figures": [
        {"key": figure.key, "unit": figure.unit, "better": figure.better, "gate": figure.gate,
         "goal": figure.goal, "median": None, "note": None, "outcome": "not measured", "versus": [
             {"who": title(versus.what), "gate": versus.gate, "goal": versus.goal, "note": None,
              "median": None, "ratio": None, "check": None} for versus in figure.versus]}
        for figure in row.figures]} for row in rows]


def section(result, plots=()):
    """What stands between the marks: of which machine, the table, the plots."""
    if result is None:
        from running.rows import ROWS
        return "\n".join([BEGIN, "Nothing is recorded yet (`sudo bench/run --record`).", "",
                          table(unmeasured(ROWS)), END])
    machine, commit = result["machine"], result["commit"]
    lines = [
        BEGIN,
        f"Recorded {result['date'][:10]} at commit {commit['commit']}"
        f"{' with changes' if commit['dirty'] else ''}, {result['rounds']} rounds: {machine['model']}, "
        f"{machine['processors']} processors, TSC {machine['tscHertz'] / 1e9:.2f} GHz, "
        f"Linux {machine['kernel']}.", "", table(result["rows"]), ""]
    lines += [f"![{alternative}](results/{os.path.basename(path)})" for alternative, path in plots]
    return "\n".join([*lines, END])


def replaced(text, new):
    """A document with another section between the marks. Raises ValueError where there are none."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError("bench/README.md has no section between the marks of bench/run")
    return text[:text.index(BEGIN)] + new + text[text.index(END) + len(END):]
