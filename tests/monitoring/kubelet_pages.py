"""What kubelet and kube-state-metrics say of the pods of fake_report.cc, and of an ordinary one beside them."""

import http.server
import threading
import time

START = time.monotonic() - 3600

# namespace, pod, the sandbox's id, the id and container label of its row, CPUs of the whole VM. Three ways in which Kata
# and the runtimes name the one row that the node can see.
KATA_PODS = [
    ("shop", "web-0", "a" * 64, "/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + "a" * 64 + ".scope", "", 0.45),
    ("batch", "crunch-0", "b" * 64, "/kubepods/burstable/pod2/kata_" + "b" * 64, "", 0.3),
    ("shop", "silent-0", "d" * 64, "/kubepods.slice/kubepods-pod4.slice/crio-" + "d" * 64 + ".scope", "POD", 0.1),
]
# What the runtime knows of all of them.
CRI_CONTAINERS = [("shop", "web-0", "app", "1", 0.3, 175 << 20), ("shop", "web-0", "proxy", "2", 0.05, 35 << 19),
                  ("batch", "crunch-0", "worker", "3", 0.2, 455 << 19), ("shop", "silent-0", "app", "5", 0.08, 64 << 20),
                  ("shop", "plain-0", "main", "f", 0.1, 50 << 20)]
PLAIN = ("shop", "plain-0", "/kubepods.slice/kubepods-pod3.slice/cri-containerd-")


def series(name, labels, value):
    inside = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value}\n"


def rows(labels, age, cpus, memory):
    counted = {**labels, "cpu": "total"}
    yield series("container_cpu_usage_seconds_total", counted, age * cpus)
    yield series("container_memory_working_set_bytes", labels, memory)
    yield series("container_cpu_cfs_periods_total", labels, int(age * 10))
    yield series("container_cpu_cfs_throttled_periods_total", labels, 0)


def network(labels, age, interface, rate):
    yield series("container_network_receive_bytes_total", {**labels, "interface": interface}, int(age * rate))


def identity(namespace, pod, container="", name="", image="", path=""):
    return {"container": container, "id": path, "image": image, "name": name, "namespace": namespace, "pod": pod}


def cadvisor_page():
    age = time.monotonic() - START
    lines = []
    for namespace, pod, sandbox, path, container, cpus in KATA_PODS:
        row = identity(namespace, pod, container, sandbox, "registry/pause:3.9", path)
        lines += rows(row, age, cpus, 571 << 20)
        lines += network(row, age, "eth0", 5000)
        lines += network(row, age, "tap0_kata", 5000)
        lines += rows(identity(namespace, pod, path=path.rsplit("/", 1)[0]), age, cpus, 571 << 20)
    # The row of a container that older versions give, and which is empty.
    lines += rows(identity("batch", "crunch-0", "worker", "3" * 64, "registry/worker:3",
                           "/kubepods/burstable/pod2/kata_" + "3" * 64), age, 0, 0)
    namespace, pod, path = PLAIN
    pause = identity(namespace, pod, "", "e" * 64, "registry/pause:3.9", path + "e" * 64 + ".scope")
    lines += rows(pause, age, 0.00001, 1 << 19)
    lines += network(pause, age, "eth0", 1000)
    lines += rows(identity(namespace, pod, "main", "f" * 64, "registry/main:4", path + "f" * 64 + ".scope"),
                  age, 0.1, 50 << 20)
    lines += node_rows(age)
    # One family is one block.
    return "".join(sorted(lines))


def cri_page():
    """The same with the feature PodAndContainerStatsFromCRI: rows as CRI's ListPodSandboxMetrics has them, of the containers
    of Kata pods as well."""
    age = time.monotonic() - START
    lines = []
    for namespace, pod, container, digit, cpus, memory in CRI_CONTAINERS:
        row = {"container": container, "id": digit * 64, "image": f"registry/{container}:1", "namespace": namespace, "pod": pod}
        lines.append(series("container_cpu_usage_seconds_total", row, age * cpus))
        lines.append(series("container_memory_working_set_bytes", row, memory))
    return "".join(sorted(lines + list(node_rows(age))))


def node_rows(age):
    """The node as a whole."""
    yield from rows(identity("", "", path="/"), age, 1.5, 4 << 30)


def state_page():
    lines = []
    for namespace, pod in [pod[:2] for pod in KATA_PODS] + [PLAIN[:2]]:
        lines.append(series("kube_pod_info", {"namespace": namespace, "pod": pod, "node": "node-1"}, 1))
    lines.append(series("kube_pod_overhead_memory_bytes", {"namespace": "shop", "pod": "web-0"}, 130 << 20))
    lines.append(series("kube_pod_overhead_cpu_cores", {"namespace": "shop", "pod": "web-0"}, 0.25))
    return "".join(sorted(lines))


PAGES = {"/metrics/cadvisor": cadvisor_page, "/metrics/cri": cri_page, "/metrics": state_page}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = PAGES.get(self.path)
        if page is None:
            self.send_error(404)
            return
        body = page().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve():
    """Serves both, in a thread of its own; the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_address[1]}"
