"""The plots, by gnuplot."""

import subprocess

from samples import Samples

GROWTH = [  # file, row, x axis, y axis, who
    ("cpu", "cpu", "containers", "CPU per minute, ms (guest)",
     ["guest-probe", "poller, same values", "poller, 3 files", "cAdvisor"]),
    ("tasks", "tasks-cpu", "tasks", "CPU per minute, ms (guest)", ["guest-probe", "poller, same values"]),
    ("memory", "memory", "containers", "RSS and maps, KiB", ["guest-probe", "cAdvisor"]),
    ("wire", "wire", "containers", "bytes of a snapshot", ["guest-probe", "text exposition"]),
    ("scrape", "scrape", "sandboxes", "CPU per scrape and sandbox, us", ["host-probe", "host-probe, no text", "files"]),
    ("series", "series", "sandboxes", "ns per series in a scrape", ["host-probe", "Registry"]),
]
HOT = ["guest-probe", "no probe, again", "empty BPF program", "hash per pid", "hash per cgroup", "cpudist"]
STORMS = {
    "time-switch": "context switch",
    "time-spawn": "fork to exit",
    "time-fault": "page fault",
    "time-cgroup": "cgroup",
}


def gnuplot(script: str) -> None:
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def head(path: str) -> str:
    return ("set terminal svg size 720,420 font 'sans-serif,12' background 'white'\n"
            f"set output '{path}'\nset key outside bottom center horizontal\nset grid\n")


def growth(samples: Samples, path: str, row: str, x: str, y: str, who: list[str]) -> None:
    """Medians with their spread, both axes logarithmic; nothing of one size alone."""
    if len(samples.sizes(row)) < 2:
        return
    blocks, curves = "", []
    for index, baseline in enumerate(who):
        points = [(size, samples.of(row, baseline, size)) for size in samples.sizes(row) if samples.of(row, baseline, size)]
        if not points:
            continue
        blocks += f"$d{index} << end\n"
        for size, values in points:
            blocks += f"{size} {samples.median(row, baseline, size)} {min(values)} {max(values)}\n"
        blocks += "end\n"
        curves.append(f"$d{index} using 1:2:3:4 with yerrorlines linewidth 2 title '{baseline}'")
    if curves:
        gnuplot(head(path) + f"set logscale xy\nset xlabel '{x}'\nset ylabel '{y}'\n{blocks}plot {', '.join(curves)}\n")


def hot_path(samples: Samples, path: str) -> None:
    """What is added to each, in percent of what it takes with no probe."""
    present = [storm for storm in STORMS if samples.of(storm, "no probe", 1)]
    if not present:
        return
    blocks, curves = "$d << end\n", []
    for storm in present:
        added = [100 * (samples.median(storm, baseline, 1) / samples.median(storm, "no probe", 1) - 1) for baseline in HOT]
        blocks += f"\"{STORMS[storm]}\" " + " ".join(f"{value:.3f}" for value in added) + "\n"
    for index, baseline in enumerate(HOT):
        curves.append(f"$d using {index + 2}:xtic(1) title '{baseline}'")
    style = "set style data histogram\nset style histogram clustered gap 1\nset style fill solid\n"
    gnuplot(f"{head(path)}{style}set ylabel 'added time, %'\n{blocks}end\nplot {', '.join(curves)}\n")


def draw(samples: Samples, directory: str) -> None:
    for file, *about in GROWTH:
        growth(samples, f"{directory}/{file}.svg", *about)
    hot_path(samples, f"{directory}/hot-path.svg")
