"""bench/thresholds: by how many percent each row may get worse."""


def parsed(text):
    """Percent by row. Raises ValueError with the line's number for what is neither row nor percent."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        try:
            name, percent = words
            found[name] = float(percent)
        except ValueError:
            raise ValueError(f"thresholds, line {number}: not a row and its percent: {line}") from None
        if found[name] < 0 or name != "default" and not (name[:1] == "P" and name[1:].isdigit()):
            raise ValueError(f"thresholds, line {number}: not a row and its percent: {line}")
    if "default" not in found:
        raise ValueError("thresholds: no default")
    return found


def percent(thresholds, row):
    return thresholds.get(row, thresholds["default"])
