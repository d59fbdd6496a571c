"""docs/metrics.md as data, and what an exposition has."""

import re

from processes import ROOT

DOCUMENT = ROOT / "docs/metrics.md"
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"(?:,|$)')


def series_of(name, kind, labels):
    """A metric as it is queried: a histogram is three counters, one of which has its buckets."""
    if kind != "histogram":
        return {name: (kind, labels)}
    return {name + "_bucket": ("counter", labels | {"le"}), name + "_sum": ("counter", labels - {"le"}),
            name + "_count": ("counter", labels - {"le"})}


def read_document(text):
    """Type and set of labels by metric."""
    found, common = {}, ""
    for line in text.splitlines():
        if "Labels of all:" in line:
            common = set(re.findall(r"`(\w+)`", line.split("Labels of all:")[1]))
        if not line.startswith("| `"):
            continue
        name, kind, unit, labels, what, source = [cell.strip() for cell in line.strip("|\n").split(" | ")]
        name = name.strip("` ")
        assert name not in found, f"{name} twice"
        assert unit and what and source, f"{name}: a cell is empty"
        found.update(series_of(name, kind, common | set(filter(None, labels.split(", ")))))
    return found


def read_exposition(text):
    """Type and set of all labels by metric."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            for series, (of_kind, _) in series_of(name, kind, set()).items():
                found[series] = (of_kind, set())
        elif line and not line.startswith("#"):
            name, labels = SAMPLE.fullmatch(line).groups()
            if name in found:
                found[name][1].update(LABEL.findall(labels or ""))
    return found
