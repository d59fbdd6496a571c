"""What is for the Prometheus Operator, as it is shipped and as the chart renders it."""

import copy

import yaml

from chart import ROOT
from operator_schema import Schemas

# What could be wrong in an object of the operator's: the file, where in it, and what is there instead.
WRONG = [
    ("pod-monitor", "spec podMetricsEndpoints 0 scrapeIntervall", "30s"),
    ("pod-monitor", "spec podMetricsEndpoints 0 interval", "30 s"),
    ("pod-monitor", "spec podMetricsEndpoints 0 honorLabels", "yes"),
    ("pod-monitor", "spec podMetricsEndpoints 0 relabelings 1 action", "dropLabel"),
    ("pod-monitor", "spec podMetricsEndpoints 0 metricRelabelings 0 source_labels", ["__name__"]),
    ("pod-monitor", "spec podMetricsEndpoints 0 metricRelabelings 0 sourceLabels 0", "not a name"),
    ("pod-monitor", "spec selector", None),
    ("pod-monitor", "metadata label", {"a": "b"}),
    ("prometheus-rule", "spec groups 0 rules 0 severity", "warning"),
    ("prometheus-rule", "spec groups 0 rules 0 expr", None),
    ("prometheus-rule", "spec groups 0 rules 1 labels severity", 1),
    ("prometheus-rule", "apiVersion", "monitoring.coreos.com/v1alpha1"),
]


def shipped_object(name):
    return yaml.safe_load((ROOT / f"packaging/prometheus/{name}.yaml").read_text())


def with_changed(document, path, value):
    """A copy in which `value` is at this path, or nothing if it is None."""
    document = copy.deepcopy(document)
    *path, last = [int(step) if step.isdigit() else step for step in path.split()]
    place = document
    for step in path:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def check_operator(operator):
    for name in ("pod-monitor", "prometheus-rule", "pods-without-figures"):
        operator.check(shipped_object(name))
    operator.check_metric_relabelings(shipped_object("kubelet-relabelings")["metricRelabelings"], "kubelet-relabelings.yaml")
    for name, path, value in WRONG:
        try:
            operator.check(with_changed(shipped_object(name), path, value))
        except AssertionError as error:
            field = [step for step in path.split() if not step.isdigit()][-1]
            assert field in str(error), f"{error} says nothing of {path}"
        else:
            raise AssertionError(f"{name} with {path} = {value} is taken")


def check_pod_monitor(rendered, values, pod_labels, operator):
    """It is pod-monitor.yaml but for the values."""
    if operator:
        operator.check(rendered)
    wanted = values["podMonitor"]
    shipped = shipped_object("pod-monitor")
    assert rendered["spec"]["selector"]["matchLabels"].items() <= pod_labels.items(), "it does not find the pods"
    endpoint, = copy.deepcopy(rendered["spec"]["podMetricsEndpoints"])
    expected, = shipped["spec"]["podMetricsEndpoints"]
    assert endpoint.pop("scheme", "http") == ("https" if values["web"]["tls"] else "http")
    assert endpoint.pop("path", "/metrics") == values["web"]["telemetryPath"]
    for key in ("tlsConfig", "basicAuth", "authorization"):
        assert endpoint.pop(key, {}) == wanted[key]
    assert endpoint.pop("scrapeTimeout", "") == wanted["scrapeTimeout"]
    expected |= {"interval": wanted["interval"], "honorLabels": wanted["honorLabels"]}
    expected["relabelings"] = [step for step in expected["relabelings"]
                               if wanted["instanceFromNode"] or step.get("targetLabel") != "instance"] + wanted["relabelings"]
    job, = (step for step in expected["relabelings"] if step.get("targetLabel") == "job")
    job["replacement"] = wanted["job"]
    labels = {"job": wanted["containerJob"], "metrics_path": wanted["containerMetricsPath"]}
    steps = [step | {"replacement": labels[step["targetLabel"]]} if step.get("targetLabel") in labels else step
             for step in expected["metricRelabelings"]]
    if not wanted["containerJob"]:
        steps = [step for step in steps if step.get("targetLabel") not in labels]
    expected["metricRelabelings"] = steps + wanted["metricRelabelings"]
    assert endpoint == expected, f"the chart's PodMonitor is not pod-monitor.yaml: {endpoint}, {expected}"
