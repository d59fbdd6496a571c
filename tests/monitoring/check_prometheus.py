#!/usr/bin/python3
"""usage: check_prometheus.py FAKE_NODE

Runs the real Prometheus with the shipped scrape configuration against a node
and a kubelet that stand in for real ones, with rules of the form that
kube-prometheus has. Three times: "mended" with our relabelings of kubelet's rows,
"raw" without; what is wrong in the second shows that the first could be; and "cri", where kubelet has rows of Kata's
containers from the container runtime. The queries of the Grafana dashboard and of prometheus-adapter are asked as well.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import yaml

import dashboard
import kubelet_pages
from processes import ROOT, Prometheus, fake_node, tool

PACKAGING = ROOT / "packaging/prometheus"
# As the Operator names them, and as Prometheus does.
KEYS = {"sourceLabels": "source_labels", "targetLabel": "target_label"}


def as_prometheus(relabelings):
    return [{KEYS.get(key, key): value for key, value in step.items()} for step in relabelings]


def check_that_both_forms_agree(scrape):
    """What the Operator gets is what a plain Prometheus gets."""
    endpoint = yaml.safe_load((PACKAGING / "pod-monitor.yaml").read_text())["spec"]["podMetricsEndpoints"][0]
    kubelet = yaml.safe_load((PACKAGING / "kubelet-relabelings.yaml").read_text())
    by_job = {job["job_name"]: job for job in scrape["scrape_configs"]}
    assert as_prometheus(endpoint["metricRelabelings"]) == by_job["katameter"]["metric_relabel_configs"]
    assert as_prometheus(kubelet["metricRelabelings"]) == by_job["kubelet"]["metric_relabel_configs"]
    assert endpoint["honorLabels"] is True and by_job["katameter"]["honor_labels"] is True
    return endpoint


def check_syntax(scrape, folder):
    # Debian's Prometheus is built without the discovery of Kubernetes.
    readable = {"scrape_configs": [{**job, "static_configs": []} for job in scrape["scrape_configs"]]}
    for job in readable["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs") in ([{"role": "pod"}], [{"role": "node"}])
    file = pathlib.Path(folder, "scrape.yml")
    file.write_text(yaml.safe_dump(readable))
    subprocess.run([tool("promtool"), "check", "config", "--syntax-only", file], check=True)


def static(cluster, address, **labels):
    return [{"targets": [address], "labels": {"cluster": cluster, **labels}}]


def of_own_job(endpoint):
    """The PodMonitor as the chart makes it with an empty podMonitor.containerJob: container_* keep the target's labels."""
    steps = [step for step in endpoint["metricRelabelings"] if step.get("targetLabel") not in ("job", "metrics_path")]
    assert len(steps) == len(endpoint["metricRelabelings"]) - 2
    return {**endpoint, "metricRelabelings": steps}


def without_figures(folder):
    """The shipped rules with windows of seconds, in a file of their own."""
    text = (PACKAGING / "pods-without-figures.yaml").read_text()
    assert "[5m]" in text
    file = pathlib.Path(folder, "without.rules.yml")
    file.write_text(yaml.safe_dump(yaml.safe_load(text.replace("[5m]", "[6s]"))["spec"]))
    return file


def jobs(cluster, endpoint, kubelet_relabelings, node, kubelet, page="/metrics/cadvisor"):
    """The jobs of one cluster, with the addresses given instead of found. `page`: where this kubelet has its rows."""
    # As the Operator makes it of the PodMonitor, on a target with the labels that it gives to each.
    yield {
        "job_name": f"{cluster}/katameter", "honor_labels": endpoint["honorLabels"],
        "static_configs": static(cluster, node, __meta_kubernetes_pod_node_name="node-1", namespace="monitoring",
                                 pod="katameter-host-x", container="host-probe", endpoint="metrics"),
        "relabel_configs": as_prometheus(endpoint["relabelings"]),
        "metric_relabel_configs": as_prometheus(endpoint["metricRelabelings"]),
    }
    yield {
        "job_name": f"{cluster}/kubelet", "honor_labels": True, "honor_timestamps": False,
        "metrics_path": page,
        "static_configs": static(cluster, kubelet, job="kubelet", metrics_path="/metrics/cadvisor", node="node-1"),
        "metric_relabel_configs": kubelet_relabelings,
    }
    yield {"job_name": f"{cluster}/kube-state-metrics", "honor_labels": True,
           "static_configs": static(cluster, kubelet, job="kube-state-metrics")}


def by(labels, rows):
    """Value by the given labels; a second row of the same is an error."""
    found = {}
    for row, value in rows:
        key = tuple(row.get(label, "") for label in labels)
        assert key not in found, f"twice: {key}"
        found[key] = value
    return found


def near(value, expected):
    return abs(value - expected) <= 0.1 * expected + 0.002


def check(prometheus):
    cpu = by(("namespace", "pod", "container"), prometheus.query('container:cpu:sum_rate{cluster="mended"}'))
    expected = {("shop", "web-0", "app"): 0.3, ("shop", "web-0", "proxy"): 0.05, ("shop", "web-0", ""): 0.0001,
                ("batch", "crunch-0", "worker"): 0.2, ("batch", "crunch-0", ""): 0.0001,
                ("shop", "plain-0", "main"): 0.1}
    assert cpu.keys() == expected.keys(), f"CPU is there for {sorted(cpu)}"
    for key, value in cpu.items():
        assert near(value, expected[key]), f"{key} uses {value} CPUs, not {expected[key]}"

    totals = by(("cluster",), prometheus.query("sum by (cluster) (container:cpu:sum_rate)"))
    assert near(totals["mended",], sum(expected.values())), f"all containers use {totals} CPUs"
    # Kubelet's rows for the three VMs, 0.85 CPUs, came on top.
    assert near(totals["raw",], sum(expected.values()) + 0.85), f"unmended, all containers use {totals} CPUs"

    memory = by(("namespace", "pod", "container"), prometheus.query(
        'container:memory_working_set:bytes{cluster="mended", container!=""}'))
    assert memory == {("shop", "web-0", "app"): 175 << 20, ("shop", "web-0", "proxy"): 17.5 * (1 << 20),
                      ("batch", "crunch-0", "worker"): 227.5 * (1 << 20), ("shop", "plain-0", "main"): 50 << 20}, memory

    network = by(("namespace", "pod"), prometheus.query('pod:network_receive:sum_rate{cluster="mended"}'))
    assert network.keys() == {("shop", "web-0"), ("batch", "crunch-0"), ("shop", "silent-0"), ("shop", "plain-0")}, network
    for (_, pod), rate in network.items():
        assert near(rate, 1000 if pod == "plain-0" else 5000), f"{pod} receives {rate} B/s"

    # The rows of whole pods are not dropped.
    pods = prometheus.query('container_memory_working_set_bytes{cluster="mended", image="", pod!="", job="kubelet"}')
    assert len(pods) == 3, pods
    assert not prometheus.query('{__tmp_row=~".+"}')

    alerts = prometheus.query('ALERTS{alertname="Throttling", alertstate="firing", cluster="mended"}')
    assert [(row["pod"], row["container"]) for row, _ in alerts] == [("crunch-0", "worker")], alerts

    # Our own series: of our job, and of no pod of ours.
    up = {row["job"] for row, _ in prometheus.query("up == 1")}
    assert up == {"katameter", "kubelet", "kube-state-metrics"}, up
    assert len(prometheus.query('up{job="kubelet"}')) == 3  # kubelet's own, in each cluster
    ours = prometheus.query('{__name__=~"katameter_.+", cluster="mended"}')
    assert ours and all(row["job"] == "katameter" and row["node"] == "node-1" for row, _ in ours)
    assert not prometheus.query('{pod="katameter-host-x"}') and not prometheus.query('{container="host-probe"}')


def check_pods_without_figures(prometheus):
    """A Kata pod of which nothing is known inside stays in what kube-prometheus records, once, and no other is added."""
    for name in ("sum_rate5m", "sum_irate"):
        cpu = by(("cluster", "namespace", "pod", "container", "node"), prometheus.query(
            f"node_namespace_pod_container:container_cpu_usage_seconds_total:{name}"))
        # Without our relabelings kubelet's row for the VM is still counted by kube-prometheus' own rule, under no name or POD.
        assert cpu.keys() == {(cluster, "shop", "silent-0", "sandbox", "node-1") for cluster in ("mended", "raw")}, cpu
        assert near(cpu["mended", "shop", "silent-0", "sandbox", "node-1"], 0.1), cpu
    memory = by(("cluster", "pod"), prometheus.query("node_namespace_pod_container:container_memory_working_set_bytes"))
    assert memory["mended", "silent-0"] == 571 << 20, memory


def check_with_kubelet_of_cri(prometheus):
    """kubelet's rows by the container runtime beside ours, which keep their own job: each container is counted once."""
    expected = {(namespace, pod, container): cpus for namespace, pod, container, _, cpus, _ in kubelet_pages.CRI_CONTAINERS}
    cpu = by(("namespace", "pod", "container"), prometheus.query('container:cpu:sum_rate{cluster="cri"}'))
    assert cpu.keys() == expected.keys(), f"CPU is there for {sorted(cpu)}"
    for key, value in cpu.items():
        assert near(value, expected[key]), f"{key} uses {value} CPUs, not {expected[key]}"
    ours = prometheus.query('container_cpu_usage_seconds_total{cluster="cri", job="katameter", container!=""}')
    assert {row["container"] for row, _ in ours} == {"app", "proxy", "worker"}, ours


def adapter_queries(template, cluster, matchers, group_by):
    """As prometheus-adapter fills in a query (pkg/naming/metrics_query.go), with this test's windows and in one cluster."""
    text = template.replace("<<.LabelMatchers>>", f'cluster="{cluster}",{matchers}').replace("<<.GroupBy>>", group_by)
    assert "<<" not in text, text
    return text.replace("[3m]", "[6s]")


def check_adapter(prometheus):
    """What `kubectl top` and the HPA get: each container once, and a pod without any as a whole."""
    config = yaml.safe_load((PACKAGING / "adapter.yaml").read_text())
    rules = config["resourceRules"]
    in_guest = {("web-0", "app"): (0.3, 175 << 20), ("web-0", "proxy"): (0.05, 35 << 19), ("plain-0", "main"): (0.1, 50 << 20)}
    whole = {("silent-0", "sandbox"): (0.1, 571 << 20)}
    by_cri = {("silent-0", "app"): (0.08, 64 << 20)}
    for cluster, expected in (("mended", in_guest | whole), ("raw", in_guest | whole), ("cri", in_guest | by_cri)):
        for number, resource in enumerate(("cpu", "memory")):
            rule = rules[resource]
            assert rule["containerLabel"] == "container"
            found = by(("pod", "container"), prometheus.query(adapter_queries(
                rule["containerQuery"], cluster, 'namespace="shop",pod=~"web-0|silent-0|plain-0"', "pod,container")))
            assert found.keys() == expected.keys(), f"{cluster}: {resource} of {sorted(found)}"
            for key, value in found.items():
                assert near(value, expected[key][number]), f"{cluster}: {resource} of {key} is {value}"
            node = prometheus.query(adapter_queries(rule["nodeQuery"], cluster, 'node="node-1"', "node"))
            assert len(node) == 1 and near(node[0][1], (1.5, 4 << 30)[number]), node
    for rule in config["rules"]:
        assert prometheus.query(rule["seriesQuery"])
        found = by(("pod",), prometheus.query(adapter_queries(
            rule["metricsQuery"], "mended", 'namespace="shop",pod=~"web-0|silent-0"', "pod")))
        assert found.keys() == {("web-0",), ("silent-0",)} and all(value > 0 for value in found.values()), found


def check_dashboard(prometheus):
    """Every query of the dashboard finds something, and each stack is the total that the host counted."""
    for panel, expression in dashboard.expressions(dashboard.load()):
        found = prometheus.query(dashboard.filled(expression))
        assert found, f"{panel}: nothing for {expression}"
        assert all(value == value for _, value in found), f"{panel}: not a number"
    sandbox = f'cluster="mended", sandbox_id="{"b" * 64}"'
    for stack, total in (("rate(katameter_sandbox_cpu_seconds_total{%s}[6s])",
                          "rate(katameter_sandbox_host_cpu_seconds_total{%s}[6s])"),
                         ("katameter_sandbox_memory_bytes{%s}", "katameter_sandbox_host_memory_bytes{%s}")):
        parts = sum(value for _, value in prometheus.query(stack % sandbox))
        whole = prometheus.query(total % sandbox)[0][1]
        assert abs(parts - whole) < 1e-3 * whole, f"{stack}: {parts}, not {whole}"


def wait_until(holds, seconds):
    """On a machine that is busy a scrape comes late, and the rates of the next seconds are off: what is right becomes
    right within some windows, what is counted twice never does."""
    end = time.monotonic() + seconds
    while True:
        try:
            return holds()
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(1)


def main():
    scrape = yaml.safe_load((PACKAGING / "scrape.yml").read_text())
    endpoint = check_that_both_forms_agree(scrape)
    relabelings = next(job for job in scrape["scrape_configs"] if job["job_name"] == "kubelet")["metric_relabel_configs"]
    kubelet = kubelet_pages.serve()
    with fake_node(sys.argv[1]) as node, tempfile.TemporaryDirectory() as folder:
        check_syntax(scrape, folder)
        config = pathlib.Path(folder, "prometheus.yml")
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ROOT / "tests/monitoring/mixin_form.rules.yml"), str(without_figures(folder))],
            "scrape_configs": [*jobs("mended", endpoint, relabelings, node, kubelet),
                               *jobs("raw", endpoint, [], node, kubelet),
                               *jobs("cri", of_own_job(endpoint), relabelings, node, kubelet, "/metrics/cri")],
        }))
        with Prometheus(config, folder) as prometheus:
            # From then on the windows of the rules are full.
            prometheus.wait_until("eight samples of each target", lambda: min(
                [value for _, value in prometheus.query("count_over_time(up[1m])")], default=0) >= 9)
            prometheus.wait_until("the alert", lambda: prometheus.query('ALERTS{alertstate="firing"}'))
            wait_until(lambda: check(prometheus), 60)
            wait_until(lambda: check_pods_without_figures(prometheus), 30)
            wait_until(lambda: check_with_kubelet_of_cri(prometheus), 30)
            wait_until(lambda: check_adapter(prometheus), 30)
            wait_until(lambda: check_dashboard(prometheus), 30)
    print("Prometheus shows Kata pods as it shows all others")


main()
