#!/usr/bin/python3
"""usage: check_seccomp.py HOST_PROBE SIMULATOR ACTOR [-- TEST_PROGRAM [ARGUMENT...]]...

host-probe behind the seccomp profile that the chart puts on nodes, where one
call that the profile does not allow kills it (under_profile.py). It finds a
guest behind a hybrid vsock and one behind AF_VSOCK, loads BPF programs as root,
is scraped, asked by `top`, reloaded and stopped. Then each TEST_PROGRAM, whose
tests start host-probe, does it with such a one. The profile has to refuse what
it is there to refuse.
"""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from simulated_node import NOT_LEFT_BEHIND, SANDBOX, simulator  # noqa: E402

PROFILE = ROOT / "packaging/seccomp/host-probe.json"
UNDER_PROFILE = ROOT / "tests/packaging/under_profile.py"
QEMU = "b" * 64
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_VSOCK": 40}
# What takes over a node with two capabilities, or makes it easier.
REFUSED = {"add_key", "chroot", "clone3", "delete_module", "execveat", "finit_module", "fork", "init_module", "io_uring_setup",
           "kexec_load", "keyctl", "kill", "mount", "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree",
           "perf_event_open", "personality", "pidfd_getfd", "pivot_root", "process_vm_readv", "process_vm_writev", "ptrace",
           "reboot", "setns", "swapon", "syslog", "umount2", "unshare", "userfaultfd", "vfork"}


def rules():
    return json.loads(PROFILE.read_text())["syscalls"]


def check_what_is_refused():
    allowed = {name for rule in rules() if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    assert not allowed & REFUSED, f"allowed: {allowed & REFUSED}"
    families = {rule["args"][0]["value"] for rule in rules() if rule["names"] == ["socket"] and rule["action"] == "SCMP_ACT_ALLOW"}
    assert families == set(FAMILIES.values()), families
    unit = (ROOT / "packaging/systemd/katameter-host-probe.service").read_text()
    assert f"RestrictAddressFamilies={' '.join(FAMILIES)}\n" in unit, "the unit allows other sockets than the profile"
    # A shell in place of host-probe cannot start anything.
    shell = subprocess.run([UNDER_PROFILE, "/bin/sh", "-c", "echo begun; /bin/true; echo done"],
                           stdout=subprocess.PIPE, text=True, check=False)
    assert shell.returncode == -signal.SIGSYS and shell.stdout == "begun\n", shell


def profile_without(folder, gone):
    """The profile without the rules for which gone(rule) is true."""
    left = [rule for rule in rules() if not gone(rule)]
    assert len(left) == len(rules()) - 1, "the profile has no such rule"
    file = pathlib.Path(folder, "less.json")
    file.write_text(json.dumps(json.loads(PROFILE.read_text()) | {"syscalls": left}))
    return file


@contextlib.contextmanager
def vmm(actor, run_root, sandbox):
    """A QEMU of this sandbox, whose guest has a CID that nothing here has, and 2 GiB."""
    program = shutil.copy(actor, pathlib.Path(run_root, "qemu-system-x86_64"))
    process = subprocess.Popen(
        [*NOT_LEFT_BEHIND, program, "-name", f"sandbox-{sandbox},debug-threads=on", "-device",
         "vhost-vsock-pci,disable-modern=true,vhostfd=3,id=vsock-1,guest-cid=4242"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        for command in ("reserve 2048", "thread CPU_0/KVM"):
            process.stdin.write(f"{command}\n")
            process.stdin.flush()
            process.stdout.readline()
        yield process.pid
    finally:
        process.stdin.close()
        process.wait(30)


@contextlib.contextmanager
def sandboxes(simulated, actor, run_root):
    """One whose guest answers behind a hybrid vsock, and one that is to be reached by its CID."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(simulator(simulated, run_root))
        stack.enter_context(vmm(actor, run_root, SANDBOX))
        directory = pathlib.Path(run_root, "vc/vm", QEMU)
        directory.mkdir(parents=True)
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(directory / "qmp.sock"))
        listener.listen()
        pid = stack.enter_context(vmm(actor, directory, QEMU))
        # Where the Go runtime keeps the VMM's process.
        (directory / "pid").write_text(str(pid))
        yield


class Node:
    """host-probe under a profile, with all that it finds on this node."""

    def __init__(self, launcher, run_root, profile=PROFILE):
        self.log = pathlib.Path(run_root, "host-probe.log")
        self.process = subprocess.Popen(
            [*NOT_LEFT_BEHIND, launcher, "--run-root", run_root, "--web.listen-address", ":0",
             "--runtime-endpoint", "none", "--state-file", f"{run_root}/history/overhead.json", "--log.level", "debug"],
            env=os.environ | {"SECCOMP_PROFILE": str(profile)}, stdout=self.log.open("w"), stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def wait_until(self, what, holds):
        end = time.monotonic() + 60
        while not (result := holds()):
            ended = self.process.poll()
            assert ended is None, f"ended with {ended}, waiting for {what}: {self.log.read_text()}"
            assert time.monotonic() < end, f"waited for {what}: {self.log.read_text()}"
            time.sleep(0.1)
        return result

    def address(self):
        def find():
            said = self.log.read_text()
            served = said.partition("serves http://")[2].partition("/metrics")[0]
            return served if "sandboxes are looked for" in said else ""

        return f"127.0.0.1:{self.wait_until('an address', find).rpartition(':')[2]}"

    def metrics(self, address):
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
                return answer.read().decode().splitlines()
        except (OSError, http.client.HTTPException):
            return []  # killed: wait_until says so


def check_node(launcher, simulated, actor):
    with tempfile.TemporaryDirectory() as folder, sandboxes(simulated, actor, folder), Node(launcher, folder) as node:
        address = node.address()

        def all_is_there():
            metrics = node.metrics(address)
            return any(line.startswith("container_cpu_usage_seconds_total{") for line in metrics) and \
                f'msg="guest not reached" sandbox={QEMU}' in node.log.read_text() and \
                (os.geteuid() != 0 or 'katameter_collector_success{collector="processes"} 1' in metrics)
        node.wait_until("both guests and the processes", all_is_there)
        for name in (address, address.replace("127.0.0.1", "localhost")):
            subprocess.run([launcher, "top", "--address", name], check=True, stdout=subprocess.DEVNULL)
        node.process.send_signal(signal.SIGHUP)
        node.wait_until("a reload", lambda: any(line.startswith("katameter_config_last_reload_successful 1")
                                                for line in node.metrics(address)))
        node.process.terminate()
        assert node.process.wait(30) == 0, node.log.read_text()
        assert os.geteuid() != 0 or pathlib.Path(folder, "history/overhead.json").exists(), node.log.read_text()
    subprocess.run([launcher, "metrics"], check=True, stdout=subprocess.DEVNULL)


def check_that_less_is_not_enough(launcher, simulated, actor):
    """What is allowed is used: without it, host-probe is killed, and the checks above would show it."""
    removals = [lambda rule: rule["names"] == ["socket"] and rule["args"][0]["value"] == FAMILIES["AF_VSOCK"],
                lambda rule: rule["names"] == ["clone"]]
    if os.geteuid() == 0:
        removals.append(lambda rule: rule["names"] == ["bpf"])
    for gone in removals:
        with tempfile.TemporaryDirectory() as folder, sandboxes(simulated, actor, folder), \
                Node(launcher, folder, profile_without(folder, gone)) as node:
            end = time.monotonic() + 60
            while node.process.poll() is None and time.monotonic() < end:
                if "sandboxes are looked for" in node.log.read_text():
                    node.metrics(node.address())
                time.sleep(0.1)
            assert node.process.poll() == -signal.SIGSYS, f"it goes on without a rule: {node.log.read_text()}"


def main():
    (host_probe, simulated, actor), *tests = [list(words) for last, words in
                                              itertools.groupby(sys.argv[1:], lambda word: word == "--") if not last]
    check_what_is_refused()
    with tempfile.TemporaryDirectory() as folder:
        launcher = pathlib.Path(folder, "host-probe")
        launcher.write_text(f"#!/bin/sh\nexec {shlex.join([str(UNDER_PROFILE), host_probe])} \"$@\"\n")
        launcher.chmod(0o755)
        check_node(launcher, simulated, actor)
        check_that_less_is_not_enough(launcher, simulated, actor)
        for command in tests:
            subprocess.run(command, check=True, env=os.environ | {"HOST_PROBE": str(launcher)})
    print("host-probe calls what its seccomp profile allows")


main()
