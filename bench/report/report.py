"""usage: report.py ACCELERATION DIRECTORY DOCUMENT SAMPLES...

Makes of the samples one table, on stdout and in DIRECTORY/results.md, DIRECTORY/results.json, and the plots; DOCUMENT
gets the table between its two marks.
"""

import json
import os
import platform
import statistics
import sys

import plots
from rows import ROWS, Row
from samples import Samples


def machine(acceleration: str) -> dict[str, str | int]:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "kernel": platform.release().split("-")[0],
        "guest": "5.10.262, cgroup v1, where a row names no other" + (", 1 CPU, clock counts instructions" if acceleration == "tcg" else ""),
        "acceleration": acceleration.upper(),
    }


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def compare(samples: Samples, row: Row, size: int) -> dict | None:
    """A line of the table; nothing if one of the two was not measured at this size."""
    ours, theirs = samples.median(row.key, row.ours, size), samples.median(row.key, row.baseline, size)
    if ours is None or theirs is None:
        return None
    line = {"row": row.key, "what": row.what, "size": size, "ours": row.ours, "baseline": row.baseline,
            "unit": samples.units[row.key], "ours_median": ours, "baseline_median": theirs, "aim": row.aim_text}
    if not row.divide:
        return line | {"held": ours <= row.aim}
    ratios = samples.ratios(row.key, row.ours, row.baseline, size)
    middle = statistics.median(ratios)
    line |= {"ratio": middle, "ratio_min": min(ratios), "ratio_max": max(ratios), "repetitions": len(ratios)}
    return line if row.aim is None else line | {"held": middle <= row.aim}


def ratio_text(line: dict) -> str:
    if "ratio" not in line:
        return "-"
    if 0.8 <= line["ratio"] < 2:
        return f"{line['ratio']:.3f} ({line['ratio_min']:.3f} - {line['ratio_max']:.3f})"
    return f"{line['ratio']:.3g} ({line['ratio_min']:.3g} - {line['ratio_max']:.3g})"


def table(lines: list[dict]) -> str:
    text = "| what | size | measured | against | ratio (min - max) | aim | held |\n|---|---|---|---|---|---|---|\n"
    for line in lines:
        held = {True: "yes", False: "**no**"}.get(line.get("held"), "")
        unit = line["unit"]
        text += (f"| {line['what']} | {line['size']} | {line['ours']} {number(line['ours_median'])} {unit} "
                 f"| {line['baseline']} {number(line['baseline_median'])} {unit} "
                 f"| {ratio_text(line)} | {line['aim']} | {held} |\n")
    return text


BEGIN, END = "<!-- results: made by bench/run.sh -->\n", "<!-- end of results -->\n"


def put_into(document: str, text: str) -> None:
    with open(document, encoding="utf-8") as file:
        before, rest = file.read().split(BEGIN)
    after = rest.split(END)[1]
    with open(document, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + text + END + after)


def main() -> None:
    acceleration, directory, document, *files = sys.argv[1:]
    samples = Samples(files)
    lines = [line for row in ROWS for size in samples.sizes(row.key) if (line := compare(samples, row, size))]
    where = machine(acceleration)
    said = (f"{where['cpu']}, {where['cores']} cores, Linux {where['kernel']}; guest {where['guest']} "
            f"({where['acceleration']}). Medians; the ratio is that of each repetition.")
    os.makedirs(directory, exist_ok=True)
    text = f"{said}\n\n{table(lines)}"
    with open(f"{directory}/results.md", "w", encoding="utf-8") as out:
        out.write(text)
    with open(f"{directory}/results.json", "w", encoding="utf-8") as out:
        json.dump({"machine": where, "lines": lines}, out, indent=1)
        out.write("\n")
    put_into(document, text)
    plots.draw(samples, directory)
    print(text, end="")


main()
