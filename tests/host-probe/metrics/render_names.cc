#include <catch2/catch.hpp>
#include <memory>

#include "tests/support/rendered.h"

using namespace katameter;
using namespace katameter::host;

namespace {

NodeReport named_report() {
  NodeReport report = with_container(full_container());
  SandboxNames names;
  names.pod_namespace = "shop";
  names.pod = "web-0";
  names.runtime_handler = "kata";
  names.uid = "uid-of-web-0";
  names.containers[*ContainerId::from_hex(container_hex)] = {"app", "nginx:1.21"};
  report.sandboxes[0].names = std::make_shared<const SandboxNames>(names);
  report.sandboxes[0].guest->interfaces.emplace_back().name = "eth0";
  return report;
}

const Series named{{"id", "/kata/" + sandbox_hex + "/" + container_hex},
                   {"name", container_hex},
                   {"image", "nginx:1.21"},
                   {"namespace", "shop"},
                   {"pod", "web-0"},
                   {"container", "app"}};

}  // namespace

TEST_CASE("every series of a container carries its names, those that outlive it included") {
  NodeReport report = named_report();
  const Rendered alive(report);
  CHECK(alive.value("container_memory_usage_bytes", named));
  CHECK(alive.value("container_last_seen", named));
  CHECK(alive.value("container_cpu_usage_seconds_total", with(named, "cpu", "total")));
  CHECK(alive.value("container_memory_failures_total",
                    with(with(named, "scope", "container"), "failure_type", "pgfault")));
  CHECK(alive.value("container_oom_events_total", named));
  report.sandboxes[0].ended = true;
  report.sandboxes[0].guest->containers.clear();
  CHECK(Rendered(report).value("container_oom_events_total", named));
}

TEST_CASE("a sandbox's network is the pod's") {
  Series of_pod{{"id", "/kata/" + sandbox_hex + "/" + sandbox_hex},
                {"name", sandbox_hex},
                {"image", ""},
                {"namespace", "shop"},
                {"pod", "web-0"},
                {"container", ""},
                {"interface", "eth0"}};
  CHECK(Rendered(named_report()).value("container_network_receive_bytes_total", of_pod));
}

TEST_CASE("what is known of a sandbox is one series, before its pod has a name and after its end") {
  NodeReport report = named_report();
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.place = std::make_shared<const SandboxPlace>(
      SandboxPlace{sandbox.id, "/run/kata/x", "root/console.sock", "qemu", Reach::cid, "kata"});
  Series expected{{"sandbox_id", sandbox_hex}, {"namespace", "shop"},  {"pod", "web-0"},   {"runtime_handler", "kata"},
                  {"uid", "uid-of-web-0"},     {"hypervisor", "qemu"}, {"layout", "kata"}, {"reach", "af_vsock"}};
  CHECK(Rendered(report).value("katameter_sandbox_info", expected) == 1.0);
  sandbox.ended = true;
  CHECK(Rendered(report).value("katameter_sandbox_info", expected) == 1.0);
  sandbox.names = nullptr;
  for (const char* unknown : {"namespace", "pod", "runtime_handler", "uid"}) expected[unknown] = "";
  CHECK(Rendered(report).value("katameter_sandbox_info", expected) == 1.0);
}

TEST_CASE("what a guest says of itself is one series, and none before it said it or after its end") {
  NodeReport report = named_report();
  CHECK(Rendered(report).family("katameter_guest_info") == nullptr);
  SandboxReport& sandbox = report.sandboxes[0];
  sandbox.guest_info =
      std::make_shared<const GuestInfo>(GuestInfo{"0.2.0", "6.12.1", "task iterator,memory controller"});
  sandbox.guest.reset();  // it does not answer now
  const Series expected{{"sandbox_id", sandbox_hex},
                        {"version", "0.2.0"},
                        {"kernel", "6.12.1"},
                        {"missing", "task iterator,memory controller"}};
  CHECK(Rendered(report).value("katameter_guest_info", expected) == 1.0);
  sandbox.ended = true;
  CHECK(Rendered(report).family("katameter_guest_info") == nullptr);
}

TEST_CASE("Kata pods of the runtime have series once it has answered") {
  NodeReport report = named_report();
  CHECK(Rendered(report).family("katameter_runtime_kata_pods") == nullptr);
  report.kata_pods = KataPods{3, 2};
  CHECK(Rendered(report).value("katameter_runtime_kata_pods", {}) == 3.0);
  CHECK(Rendered(report).value("katameter_runtime_kata_pods_found", {}) == 2.0);
}

TEST_CASE("a sandbox that is one container, and no pod, has that one's name and image") {
  NodeReport report = named_report();
  wire::Container alone = full_container();
  alone.id = report.sandboxes[0].id.cri_id().value();
  report.sandboxes[0].guest->containers = {alone};
  SandboxNames names;
  names.container = "web";
  names.image = "nginx:1.21";
  report.sandboxes[0].names = std::make_shared<const SandboxNames>(names);
  CHECK(Rendered(report).value("container_memory_usage_bytes", {{"id", "/kata/" + sandbox_hex + "/" + sandbox_hex},
                                                                {"name", sandbox_hex},
                                                                {"image", "nginx:1.21"},
                                                                {"namespace", ""},
                                                                {"pod", ""},
                                                                {"container", "web"}}));
}
