"""Compares the share of executed lines, area by area, with the least that is wanted.

``coverage_floors.py LCOV`` reads what ``cargo llvm-cov report --lcov`` wrote. An area is a folder
or file right below ``src``; some parts have a floor of their own. Lines of tests do not count,
neither as executed nor as missing: files of tests, and the ``mod tests`` at the end of a file.
Standard library only.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
EVERYWHERE = 90
# The longest match counts. A part that matches no file is an error, so that a rename is noticed.
SPECIAL = {
    "src/collect/health/": 100,
    "src/power/": 100,
    "src/predict/": 100,
    "src/http/": 90,
}
TEST_FILE = re.compile(r"(^|/)tests(/|\.rs$)")
TEST_MODULE = re.compile(r"^#\[cfg\(test\)\]\n(?:#.*\n)*mod \w+ \{", re.MULTILINE)


def area_of(path):
    """The area that a file below ``src`` belongs to."""
    special = [part for part in SPECIAL if path.startswith(part)]
    if special:
        return max(special, key=len)
    return "src/" + path.split("/")[1].removesuffix(".rs")


def end_of_program(path):
    """The first line of the file's own tests, or infinity."""
    text = (ROOT / path).read_text()
    found = TEST_MODULE.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else float("inf")


def read(lcov):
    """For each file the line numbers with how often they were executed."""
    files, lines = {}, None
    for row in pathlib.Path(lcov).read_text().splitlines():
        key, _, value = row.partition(":")
        if key == "SF":
            path = pathlib.Path(value)
            path = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            lines = files.setdefault(path.as_posix(), {})
        elif key == "DA":
            number, count = value.split(",")[:2]
            lines[int(number)] = max(lines.get(int(number), 0), int(count))
    return files


def ranges(numbers):
    """``1, 2, 3, 7`` as ``1-3, 7``."""
    spans = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def main(lcov):
    """Prints the table; the exit code is 1 if an area is below its floor."""
    areas, missing = {}, {}
    for path, lines in read(lcov).items():
        if not path.startswith("src/") or TEST_FILE.search(path):
            continue
        end = end_of_program(path)
        lines = {number: count for number, count in lines.items() if number < end}
        not_executed = [number for number, count in lines.items() if count == 0]
        done, total = areas.get(area_of(path), (0, 0))
        areas[area_of(path)] = (done + len(lines) - len(not_executed), total + len(lines))
        if not_executed:
            missing.setdefault(area_of(path), {})[path] = (not_executed, len(lines))

    fine = True
    print(f"{'area':<24}{'lines':>8}{'covered':>10}{'floor':>8}")
    for area, (done, total) in sorted(areas.items()):
        floor = SPECIAL.get(area, EVERYWHERE)
        # Compared as whole numbers: 99.96 % is not 100 %.
        enough = done * 100 >= floor * total
        fine = fine and enough
        # Rounded down for the same reason.
        share = f"{done * 1000 // total / 10 if total else 100:.1f} %"
        verdict = "" if enough else "  BELOW"
        print(f"{area:<24}{total:>8}{share:>10}{floor:>6} %{verdict}")
    for part in sorted(set(SPECIAL) - set(areas)):
        fine = False
        print(f"{part:<24} has a floor but no file: was it renamed?")
    print()
    for area, files in sorted(missing.items()):
        done, total = areas[area]
        if done * 100 >= SPECIAL.get(area, EVERYWHERE) * total:
            continue
        print(f"never executed in {area}:")
        for path, (numbers, count) in sorted(files.items(), key=lambda item: -len(item[1][0])):
            print(f"  {path} ({len(numbers)} of {count}): {ranges(numbers)}")
    return 0 if fine else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
