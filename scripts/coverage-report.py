"""Lines that tests run, by module, and whether each module is above its floor.

    coverage-report.py EXPORT FLOORS RESULT [--files] [--raise]

EXPORT is what llvm-cov writes; FLOORS has a line "MODULE PERCENT" for each module that is held to
one; RESULT is written. Exits 1 when a module is below its floor or was not measured.
"""

import collections
import json
import math
import sys


def modules(export):
    """Lines and covered lines of each file below Sources, by module."""
    found = collections.defaultdict(dict)
    for file in export["data"][0]["files"]:
        path = file["filename"]
        if "/Sources/" not in path or "/checkouts/" in path:
            continue
        module, _, name = path.rpartition("/Sources/")[2].partition("/")
        lines = file["summary"]["lines"]
        found[module][name] = (lines["count"], lines["covered"])
    return found


def read_floors(path):
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {module: float(percent) for module, percent in lines}


def write_floors(path, floors):
    with open(path, encoding="ascii") as file:
        comments = [line for line in file if line.startswith("#")]
    with open(path, "w", encoding="ascii") as file:
        file.writelines(comments)
        file.writelines(f"{module} {percent:.1f}\n" for module, percent in floors.items())


def main():
    export, floor_path, result_path = sys.argv[1:4]
    options = sys.argv[4:]
    with open(export, encoding="utf-8") as file:
        found = modules(json.load(file))
    floors = read_floors(floor_path)
    percent = {}
    failed = False
    print(f"{'module':14} {'lines':>6} {'run':>6} {'percent':>8} {'floor':>6}")
    for module in sorted(found):
        count = sum(lines for lines, _ in found[module].values())
        covered = sum(run for _, run in found[module].values())
        percent[module] = 100 * covered / count if count else 100
        floor = floors.get(module)
        is_below = floor is not None and percent[module] < floor
        failed |= is_below
        print(f"{module:14} {count:6} {covered:6} {percent[module]:8.2f}"
              f" {'' if floor is None else floor:>6}{'  BELOW' if is_below else ''}")
        for name, (lines, run) in sorted(found[module].items()):
            if "--files" in options and run < lines:
                print(f"    {name}: {lines - run} of {lines} not run")
    for module in floors.keys() - found.keys():
        failed = True
        print(f"{module}: not measured")
    with open(result_path, "w", encoding="ascii") as file:
        json.dump({module: {"percent": round(percent[module], 2), "files": found[module]}
                   for module in sorted(found)}, file, indent=1)
    if "--raise" in options:
        # A tenth below what was measured: lines that depend on how threads meet come and go.
        write_floors(floor_path, {
            module: max(floor, math.floor(10 * percent.get(module, 0) - 1) / 10)
            for module, floor in floors.items()})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
