"""What is compared: the rows of the table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    key: str  # as in the samples
    what: str
    ours: str
    baseline: str
    aim: float | None  # the ratio of ours to the baseline's, at most; None = nothing was aimed at
    aim_text: str
    divide: bool = True  # False: the row shows the difference, for what may be 0


def hot(storm: str, what: str) -> list[Row]:
    """What a thing takes with each of the programs attached, against no probe."""
    most = 1.05 if storm == "cgroup" else 1.01
    text = "at most 5 %" if storm == "cgroup" else "nothing (within 1 %)"
    ours = Row(f"time-{storm}", what, "guest-probe", "no probe", most, text)
    baselines = ["no probe, again", "empty BPF program", "hash per pid", "hash per cgroup", "cpudist"]
    return [ours] + [Row(f"time-{storm}", what, baseline, "no probe", None, "") for baseline in baselines]


ROWS = [
    Row("cpu", "CPU per minute, one request every 10 s", "guest-probe", "cAdvisor", 1 / 50, "1/50"),
    Row("cpu", "CPU per minute, one request every 10 s", "guest-probe", "poller, same values", 1 / 2, "1/2"),
    Row("cpu", "CPU per minute, one request every 10 s", "guest-probe", "poller, all values", None, ""),
    Row("cpu", "CPU per minute, one request every 10 s", "guest-probe", "poller, 3 files", None, ""),
    Row("tasks-cpu", "the same, by tasks in 10 containers", "guest-probe", "poller, same values", 1 / 2, "1/2"),
    Row("tasks-cpu", "the same, by tasks in 10 containers", "guest-probe", "poller, all values", None, ""),
    *[
        Row(row, f"the same, {of}6.18 with cgroup v2", "guest-probe", baseline, aim, text)
        for row, of in [("cpu-v2", ""), ("tasks-cpu-v2", "by tasks in 10 containers, ")]
        for baseline, aim, text in [("poller, same values", 1 / 2, "1/2"), ("poller, all values", None, "")]
    ],
    Row("memory", "RSS and maps", "guest-probe", "cAdvisor", 1 / 10, "1/10"),
    Row("wakeups", "wake-ups per minute, without requests", "guest-probe", "cAdvisor", 0, "0", divide=False),
    Row("wakeups", "wake-ups per minute, without requests", "guest-probe", "poller, same values", 0, "0", divide=False),
    *hot("switch", "context switch"),
    *hot("spawn", "fork, exec and exit"),
    *hot("fault", "page fault"),
    *hot("cgroup", "cgroups of a container made and removed"),
    Row("start", "load to ready", "guest-probe", "loading alone", 1.3, "1.3"),
    Row("start-cpu", "CPU of a start, by CPUs that there could be", "guest-probe", "no others", 1.3, "1.3"),
    Row("collect-cpu", "CPU of a collect, by CPUs that there could be", "guest-probe", "no others", 1.1, "1.1"),
    Row("oom", "OOM kill to its event, or line", "guest-probe", "kernel log", 1, "before the line"),
    Row("oom", "OOM kill to host-probe's counter, or line", "host-probe", "kernel log", None, "milliseconds"),
    Row("wire", "bytes of a snapshot", "guest-probe", "text exposition", 1 / 20, "1/20"),
    Row("scrape", "CPU per scrape and sandbox, by sandboxes", "host-probe", "files", 1 / 3, "1/3"),
    Row("scrape", "CPU per scrape and sandbox, by sandboxes", "host-probe, no text", "files", 1 / 3, "1/3"),
    Row("scrape", "CPU per scrape and sandbox, by sandboxes", "host-probe, gzip", "files", None, ""),
    Row("series", "time per series in a scrape, by sandboxes", "host-probe", "Registry", 1 / 2, "1/2"),
]
