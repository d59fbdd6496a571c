#!/usr/bin/python3
"""Prints what `host-probe top --json` says, on stdin, as the table of the demo.

A value that is absent is not known, and shown as a dash.
"""

import json
import sys

CONTAINER = "  {:<14} {:>8} {:>11} {:>11} {:>11} {:>11} {:>11} {:>11} {:>6}"
ROW = "  {:<14} {:>8} {:>11}"


def mib(value):
    return "-" if value is None else f"{value / 1048576:.1f} MiB"


def cpu(cpus):
    return "-" if cpus is None else f"{cpus * 100:.1f} %"


def limit(value):
    return "none" if value == 0 else mib(value)


def print_row(*cells):
    print(ROW.format(*cells, *[""] * (3 - len(cells))).rstrip())


def print_container(container):
    print(CONTAINER.format(
        container.get("name", container["id"][:12]), cpu(container["per_second"].get("cpu_usage_seconds_total")),
        mib(container.get("memory_usage_bytes")), mib(container.get("memory_working_set_bytes")),
        mib(container.get("memory_max_usage_bytes")), limit(container.get("memory_limit_bytes")),
        mib(container.get("memory_rss_bytes")), mib(container.get("memory_cache_bytes")),
        container.get("oom_events_total", "-")))


def print_sandbox(sandbox):
    rates = sandbox["per_second"]
    in_guest = rates.get("guest_cpu_seconds_total", {})
    processes = rates.get("process_cpu_seconds_total", {})
    memory = sandbox.get("memory_bytes", {})
    print(f"sandbox {sandbox['id'][:12]}, guest-probe {'up' if sandbox['guest_probe_up'] else 'not reached'}")
    print(CONTAINER.format("CONTAINER", "CPU", "MEMORY", "WORKING SET", "PEAK", "LIMIT", "RSS", "CACHE", "OOM"))
    for container in sandbox["containers"]:
        print_container(container)
    print_row("IN THE GUEST", "CPU")
    print_row("workload", cpu(in_guest.get("workload")))
    print_row("guest system", cpu(in_guest.get("guest_system")))
    print_row("ON THE HOST", "CPU", "MEMORY")
    print_row("guest (vCPUs)", cpu(processes.get("vcpu")), mib(memory.get("guest_ram")))
    for name, role in (("VMM", "vmm"), ("virtiofsd", "virtiofsd"), ("shim", "shim")):
        print_row(name, cpu(processes.get(role)), mib(memory.get(role)))
    print_row("page tables", "", mib(memory.get("page_tables")))
    print_row("overhead", cpu(rates.get("overhead_cpu_seconds_total")), mib(sandbox.get("overhead_memory_bytes")))


def main():
    sandboxes = json.load(sys.stdin)["sandboxes"]
    for sandbox in sandboxes:
        print_sandbox(sandbox)
    if not sandboxes:
        print("no sandbox yet")


main()
