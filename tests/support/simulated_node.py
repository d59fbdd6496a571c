"""A node with one simulated guest, for the tests in Python."""

import contextlib
import subprocess

NOT_LEFT_BEHIND = ("setpriv", "--pdeathsig", "KILL")
# container_id(0, 0) of the simulator: the sandbox's, and that of its first container.
SANDBOX = "0000000100000000e220a8397b1dcdaf6e789e6aa1b965f406c45d188009454f"


@contextlib.contextmanager
def simulator(program, run_root):
    """One guest with guest-probe and two containers, behind a hybrid vsock; it runs on whatever host-probe does."""
    process = subprocess.Popen([*NOT_LEFT_BEHIND, program, "--run-root", run_root, "--guests", "1", "--containers", "2"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert "sandboxes below" in process.stdout.readline(), "the simulator does not start"
        yield
    finally:
        process.terminate()
        process.wait(30)
