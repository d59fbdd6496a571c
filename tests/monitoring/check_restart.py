#!/usr/bin/python3
"""usage: check_restart.py HOST_PROBE SIMULATOR ACTOR

Kills host-probe and starts it again while a real Prometheus scrapes it. What the guest counts goes on: no counter is
reset, and rate() and increase() are those of the guest, which is the simulator's. What host-probe counts begins at 0: one
reset, and no more than the sandbox used. As root ACTOR plays the sandbox's VMM; another user cannot load the programs
that measure one, so that the second half is left out.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import yaml

from processes import ROOT, Prometheus, free_port

sys.path.insert(0, str(ROOT / "tests/support"))
from simulated_node import NOT_LEFT_BEHIND, SANDBOX, simulator  # noqa: E402

# Of the containers by number, as in the simulator's figures.cc: CPUs, and OOM kills a second.
CPUS = (0.01, 0.04)
KILLS = (0, 1)
WHOLE = "[2m]"  # longer than the test


class Vmm:
    """A QEMU whose only vCPU uses CPUS of a CPU, or less on a busy machine."""

    CPUS = 0.2

    def __init__(self, actor, folder):
        program = shutil.copy(actor, folder / "qemu-system-x86_64")
        self._process = subprocess.Popen(
            [*NOT_LEFT_BEHIND, program, "-name", f"sandbox-{SANDBOX},debug-threads=on", "-uuid", "0"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        self._tell("reserve 2048")  # as much as the guest says that it has
        self._tell("thread CPU_0/KVM")
        # What it used before host-probe was there is in no counter.
        self._burn(1500)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._process.stdin.close()
        self._process.wait(30)

    def _tell(self, command):
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def _burn(self, milliseconds):
        self.used = self._tell(f"burn CPU_0/KVM {milliseconds}") / 1e9  # seconds, over its whole life

    def _run(self):
        while not self._ended.wait(0.04 / self.CPUS - 0.04):
            self._burn(40)


@contextlib.contextmanager
def host_probe(program, run_root, port):
    """host-probe, from when it serves until it is killed, at once."""
    process = subprocess.Popen(
        [*NOT_LEFT_BEHIND, program, "--run-root", run_root, "--web.listen-address", f"127.0.0.1:{port}",
         "--runtime-endpoint", "none", "--state-file", f"{run_root}/overhead.json"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    # Its log is short: it fits into the pipe.
    assert any("serves http://" in line for line in process.stdout), "host-probe does not start"
    try:
        yield
    finally:
        process.kill()
        assert process.wait(30) == -signal.SIGKILL, "host-probe has ended before"


def samples(prometheus, series):
    """Of one series: [time, value] of each."""
    found = prometheus.api("query", query=series + WHOLE)["result"]
    assert len(found) == 1, f"{series}: {found}"
    return [(at, float(value)) for at, value in found[0]["values"]]


def count(prometheus, series):
    """How many samples there are; 0 before the first."""
    found = prometheus.query(f"count_over_time({series}{WHOLE})")
    return found[0][1] if found else 0


def one(prometheus, expression, at):
    found = prometheus.api("query", query=expression, time=at)["result"]
    assert len(found) == 1, f"{expression}: {found}"
    return float(found[0]["value"][1])


def check_guest(prometheus):
    for number in range(len(CPUS)):
        selector = f'{{name=~"00000001{number:08x}.*"'  # container_id(0, number)
        usage = f'container_cpu_usage_seconds_total{selector},cpu="total"}}'
        taken = samples(prometheus, usage)
        first, last = taken[0][0], taken[-1][0]
        assert max(after - before for (before, _), (after, _) in zip(taken, taken[1:])) > 1.5, "no scrape was missed"
        kills = f"container_oom_events_total{selector}}}"
        for series, rate, step in ((usage, CPUS[number], 0), (kills, KILLS[number], 1)):
            # From the first sample on, so that Prometheus does not extrapolate.
            increase = one(prometheus, f"increase({series}[{round((last - first) * 1000) + 1}ms])", last)
            # An answer comes up to an interval, its timeout, after the time of its sample.
            assert abs(increase - rate * (last - first)) <= rate + step * (rate > 0), \
                f"{series}: increased by {increase} in {last - first} s, not by {rate} a second"
        rates = prometheus.api("query_range", query=f"rate({usage}[6s])", start=first + 6, end=last, step=1)["result"]
        for at, value in rates[0]["values"]:
            # At the edges of the gap Prometheus has samples of a part of the window only.
            assert 0.1 * CPUS[number] < float(value) < 1.75 * CPUS[number], \
                f"{usage}: {value} CPUs after {float(at) - first} s: {taken}"


def check_that_nothing_of_the_guest_is_reset(prometheus):
    names = [name for name in prometheus.api("label/__name__/values")
             if name.startswith(("container_", "katameter_guest_cpu_", "katameter_guest_system_cpu_"))
             and name.endswith("_total")]
    assert len(names) > 20 and "katameter_guest_cpu_seconds_total" in names, names
    for name in names:
        found = prometheus.query(f"resets({name}{WHOLE})")
        assert found and all(value == 0 for _, value in found), f"{name}: {found}"


def check_host(prometheus, used):
    """`used`: CPU time of the vCPU after the first scrape, before host-probe was killed, after it was started again, and
    now."""
    series = f'katameter_sandbox_host_cpu_seconds_total{{sandbox_id="{SANDBOX}"}}'
    taken = samples(prometheus, series)
    last = taken[-1][0]
    assert one(prometheus, f"resets({series}{WHOLE})", last) == 1, taken
    scraped, killed, started, now = used
    counted = killed - scraped + now - started
    # Three were noted up to an interval beside a scrape, and two collections are held back if the guest answers late.
    allowed = 5 * Vmm.CPUS
    for total in (f"increase({series}{WHOLE})",
                  f'sum(increase(katameter_sandbox_cpu_seconds_total{{sandbox_id="{SANDBOX}"}}{WHOLE}))'):
        value = one(prometheus, total, last)
        assert abs(value - counted) <= allowed, f"{total}: {value}, not {counted}, of {used}: {taken}"


def wait_for_samples(prometheus, series, samples_wanted):
    prometheus.wait_until(f"{samples_wanted} samples of {series}", lambda: count(prometheus, series) >= samples_wanted)


def main():
    program, simulator_program, actor = sys.argv[1:]
    port = free_port()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "katameter", "honor_labels": True,
                                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}))
        prometheus = stack.enter_context(Prometheus(config, folder))
        stack.enter_context(simulator(simulator_program, folder))
        vmm = stack.enter_context(Vmm(actor, folder)) if os.geteuid() == 0 else None
        used = []

        def note_usage():
            if vmm:
                used.append(vmm.used)

        series = f'container_cpu_usage_seconds_total{{name="{SANDBOX}",cpu="total"}}'
        with host_probe(program, folder, port):
            wait_for_samples(prometheus, series, 1)
            note_usage()
            wait_for_samples(prometheus, series, 8)
            note_usage()
        prometheus.wait_until("a scrape that fails", lambda: prometheus.query("up == 0"))
        before = count(prometheus, series)
        with host_probe(program, folder, port):
            note_usage()
            wait_for_samples(prometheus, series, before + 7)
        note_usage()
        check_guest(prometheus)
        check_that_nothing_of_the_guest_is_reset(prometheus)
        if vmm:
            check_host(prometheus, used)
    print("rate() goes on over a restart of host-probe" + ("" if vmm else "; not root: the host's counters were not tested"))


main()
