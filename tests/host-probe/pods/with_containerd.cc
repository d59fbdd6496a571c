#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <future>
#include <memory>
#include <regex>

#include "tests/host-probe/pods/containerd.h"
#include "tests/host-probe/pods/fake_runtime.h"
#include "tests/support/child.h"
#include "tests/support/fake_guest.h"
#include "tests/support/http_get.h"
#include "tests/support/loop.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

// host-probe itself, beside a real containerd and guests that report the containers of its pods.

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

struct ContainerdFixture {
  fs::path run_root() const { return containerd.run_root(); }

  /// A guest that reports these containers, behind the socket of its sandbox.
  void add_guest(const ContainerId& sandbox, const std::vector<ContainerId>& containers) {
    const fs::path directory = run_root() / "vc" / "vm" / sandbox.hex();
    fs::create_directories(directory);
    auto& guest = *guests.emplace_back(std::make_unique<FakeGuest>(loop, directory / "clh.sock"));
    guest.snapshot = [this, containers](std::uint64_t request) {
      wire::Snapshot made{request, ++sequence, sequence, {}, {}, {}};
      for (const ContainerId& id : containers) {
        made.containers.emplace_back().id = id;
        made.containers.back().memory_usage_bytes = 4096;
      }
      return made;
    };
  }

  void start_host_probe(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{host_probe_program(), "--run-root",   run_root(), "--web.listen-address",
                                       "127.0.0.1:0",        "--state-file", ""};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const fs::path log = temporary.path() / "host-probe.log";
    host_probe = Child(arguments, log);
    std::smatch found;
    std::string said;
    REQUIRE(loop.until(
        [&] {
          said = contents(log);
          return std::regex_search(said, found, std::regex("http://(127.0.0.1:[0-9]+)"));
        },
        30s));
    address = found[1];
  }

  /// One answer to /metrics; the guests go on answering meanwhile.
  std::string scrape() {
    auto answer = std::async(std::launch::async, [this] { return http_get(address, "/metrics"); });
    REQUIRE(loop.until([&] { return answer.wait_for(0s) == std::future_status::ready; }, 30s));
    return answer.get();
  }

  /// The series of a container's memory in the next answer, without its value.
  std::string series(const ContainerId& sandbox, const ContainerId& container) {
    const std::string metrics = scrape();
    const std::string begin = "container_memory_usage_bytes{id=\"/kata/" + sandbox.hex() + "/" + container.hex() + "\"";
    const std::size_t at = metrics.find(begin);
    if (at == std::string::npos) return {};
    return metrics.substr(at, metrics.find('}', at) + 1 - at);
  }

  static std::string expected(const ContainerId& sandbox, const ContainerId& container, const std::string& image,
                              const std::string& name_space, const std::string& pod, const std::string& name) {
    return "container_memory_usage_bytes{id=\"/kata/" + sandbox.hex() + "/" + container.hex() + "\",name=\"" +
           container.hex() + "\",image=\"" + image + "\",namespace=\"" + name_space + "\",pod=\"" + pod +
           "\",container=\"" + name + "\"}";
  }

  bool becomes(const ContainerId& sandbox, const ContainerId& container, const std::string& wanted) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    std::string found;
    while ((found = series(sandbox, container)) != wanted) {
      if (std::chrono::steady_clock::now() > end) {
        UNSCOPED_INFO("at last: " << found);
        return false;
      }
      loop.pass(100ms);
    }
    return true;
  }

  TemporaryDirectory temporary;
  Containerd containerd{temporary.path()};
  Loop loop;
  std::vector<std::unique_ptr<FakeGuest>> guests;
  std::uint64_t sequence = 0;
  Child host_probe;
  std::string address;
};

constexpr const char* sleeper = "katameter.test/sleeper:2";

}  // namespace

TEST_CASE("pods and containers of a real containerd have their names, as the kubelet's cAdvisor would label them") {
  ContainerdFixture test;
  test.containerd.start();
  const ContainerId web = test.containerd.run_pod("shop", "web-0");
  const ContainerId app = test.containerd.run_container(web, "app", sleeper);
  const ContainerId sidecar = test.containerd.run_container(web, "sidecar", "katameter.test/sleeper:newest");
  const ContainerId db = test.containerd.run_pod("data", "db-0");
  const ContainerId server = test.containerd.run_container(db, "server", sleeper);
  const ContainerId made_up = *ContainerId::from_hex(std::string(64, 'f'));
  test.add_guest(web, {web, app, sidecar});
  // A guest that reports what is not its own: another pod's container, and one that does not exist.
  test.add_guest(db, {db, server, app, made_up});
  test.start_host_probe();

  CHECK(test.becomes(web, app, ContainerdFixture::expected(web, app, sleeper, "shop", "web-0", "app")));
  CHECK(test.becomes(db, server, ContainerdFixture::expected(db, server, sleeper, "data", "db-0", "server")));
  // Both tags are of one image; each container has the one that it was asked for by.
  CHECK(test.series(web, sidecar) ==
        ContainerdFixture::expected(web, sidecar, "katameter.test/sleeper:newest", "shop", "web-0", "sidecar"));
  CHECK(test.series(web, web) == ContainerdFixture::expected(web, web, "", "shop", "web-0", ""));
  CHECK_THAT(test.scrape(),
             Catch::Contains("katameter_sandbox_info{sandbox_id=\"" + db.hex() +
                             "\",namespace=\"data\",pod=\"db-0\",runtime_handler=\"kata\",uid=\"uid-of-db-0\","
                             "hypervisor=\"cloud-hypervisor\",layout=\"vc/vm\",reach=\"hybrid_vsock\"} 1"));
  CHECK(test.series(db, app) == ContainerdFixture::expected(db, app, "", "data", "db-0", ""));
  CHECK(test.series(db, made_up) == ContainerdFixture::expected(db, made_up, "", "data", "db-0", ""));
}

TEST_CASE("a containerd that comes late gives its names then, and one that is killed takes none away") {
  ContainerdFixture test;
  test.containerd.start();
  const ContainerId web = test.containerd.run_pod("shop", "web-0");
  const ContainerId app = test.containerd.run_container(web, "app", sleeper);
  test.containerd.kill();
  // Without its bundles, of which the next test is.
  fs::rename(test.run_root() / "containerd/io.containerd.runtime.v2.task", test.run_root() / "containerd/hidden");
  test.add_guest(web, {web, app});
  test.start_host_probe({"--runtime-endpoint", "unix://" + test.containerd.socket().string()});
  const std::string nameless = ContainerdFixture::expected(web, app, "", "", "", "");
  CHECK(test.becomes(web, app, nameless));
  test.loop.pass(2s);
  CHECK(test.series(web, app) == nameless);
  fs::rename(test.run_root() / "containerd/hidden", test.run_root() / "containerd/io.containerd.runtime.v2.task");
  test.containerd.start();
  const std::string named = ContainerdFixture::expected(web, app, sleeper, "shop", "web-0", "app");
  REQUIRE(test.becomes(web, app, named));

  test.containerd.kill();
  CHECK(test.series(web, app) == named);
  test.guests.clear();
  const ContainerId unknown = *ContainerId::from_hex(std::string(64, 'e'));
  test.add_guest(unknown, {app});
  CHECK(test.becomes(unknown, app, ContainerdFixture::expected(unknown, app, "", "", "", "")));
}

TEST_CASE("a containerd that hangs holds up no scrape") {
  ContainerdFixture test;
  test.containerd.start();
  const ContainerId web = test.containerd.run_pod("shop", "web-0");
  const ContainerId app = test.containerd.run_container(web, "app", sleeper);
  fs::rename(test.run_root() / "containerd/io.containerd.runtime.v2.task", test.run_root() / "containerd/hidden");
  test.containerd.process().signal(SIGSTOP);
  test.add_guest(web, {web, app});
  test.start_host_probe();
  CHECK(test.becomes(web, app, ContainerdFixture::expected(web, app, "", "", "", "")));
  std::chrono::steady_clock::duration longest{};
  for (int i = 0; i < 10; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(test.series(web, app) == ContainerdFixture::expected(web, app, "", "", "", ""));
    longest = std::max(longest, std::chrono::steady_clock::now() - begin);
  }
  CHECK(longest < 1s);
  fs::rename(test.run_root() / "containerd/hidden", test.run_root() / "containerd/io.containerd.runtime.v2.task");
  test.containerd.process().signal(SIGCONT);
  CHECK(test.becomes(web, app, ContainerdFixture::expected(web, app, sleeper, "shop", "web-0", "app")));
}

TEST_CASE("with a runtime that is away the bundles on the disk give the names") {
  ContainerdFixture test;
  test.containerd.start();
  const ContainerId web = test.containerd.run_pod("shop", "web-0");
  const ContainerId app = test.containerd.run_container(web, "app", sleeper);
  test.containerd.kill();
  test.add_guest(web, {web, app});
  test.start_host_probe();
  CHECK(test.becomes(web, app, ContainerdFixture::expected(web, app, sleeper, "shop", "web-0", "app")));
  CHECK(test.series(web, web) == ContainerdFixture::expected(web, web, "", "shop", "web-0", ""));
}

TEST_CASE("a pod whose guest has no guest-probe has its runtime handler, and pods that were not found are counted") {
  ContainerdFixture test;
  test.containerd.start();
  const ContainerId stock = test.containerd.run_pod("shop", "stock-0");
  test.containerd.run_pod("shop", "peer-0");  // as if its VM were elsewhere
  test.add_guest(stock, {});
  test.guests.back()->closes_at_connect = true;  // nobody listens in it
  test.start_host_probe();
  const std::string info = "katameter_sandbox_info{sandbox_id=\"" + stock.hex() +
                           "\",namespace=\"shop\",pod=\"stock-0\",runtime_handler=\"kata\"";
  const auto has = [&](const std::string& text) { return test.scrape().find(text) != std::string::npos; };
  const auto becomes = [&](const std::string& text) {
    const auto end = std::chrono::steady_clock::now() + 90s;  // pods are asked for once a minute
    while (!has(text) && std::chrono::steady_clock::now() < end) test.loop.pass(200ms);
    return has(text);
  };
  CHECK(becomes(info));
  CHECK(becomes("\nkatameter_runtime_kata_pods 2\n"));
  CHECK(becomes("\nkatameter_runtime_kata_pods_found 1\n"));
}

TEST_CASE("containers of a guest without guest-probe have what a real containerd says of them") {
  ContainerdFixture test;
  test.containerd.start();
  const ContainerId stock = test.containerd.run_pod("shop", "stock-0");
  const ContainerId app = test.containerd.run_container(stock, "app", sleeper);
  test.add_guest(stock, {});
  test.guests.back()->closes_at_connect = true;
  test.start_host_probe();
  CHECK(test.becomes(stock, app, ContainerdFixture::expected(stock, app, sleeper, "shop", "stock-0", "app")));
  const std::string metrics = test.scrape();
  const std::string labels = "{id=\"/kata/" + stock.hex() + "/" + app.hex() + "\"";
  for (const char* metric : {"container_cpu_usage_seconds_total", "container_memory_working_set_bytes",
                             "container_fs_usage_bytes", "katameter_container_fs_inodes_used"}) {
    INFO(metric);
    CHECK(metrics.find(std::string("\n") + metric + labels) != std::string::npos);
  }
  CHECK_THAT(metrics,
             Catch::Contains("katameter_guest_source{sandbox_id=\"" + stock.hex() + "\",source=\"runtime\"} 1"));
}

TEST_CASE("a socket without CRI beside containerd costs one line of the log") {
  ContainerdFixture test;
  test.containerd.start();
  const ContainerId web = test.containerd.run_pod("shop", "web-0");
  const ContainerId app = test.containerd.run_container(web, "app", sleeper);
  fs::create_directories(test.run_root() / "crio");
  FakeRuntime other(test.run_root() / "crio" / "crio.sock");
  test.start_host_probe();
  test.add_guest(web, {web, app});
  CHECK(test.becomes(web, app, ContainerdFixture::expected(web, app, sleeper, "shop", "web-0", "app")));
  const ContainerId db = test.containerd.run_pod("data", "db-0");
  test.add_guest(db, {db});
  CHECK(test.becomes(db, db, ContainerdFixture::expected(db, db, "", "data", "db-0", "")));
  CHECK(other.times_asked() == 4);  // v1 and v1alpha2, for names and for statistics
  const std::string log = contents(test.temporary.path() / "host-probe.log");
  const std::size_t line = log.find("it does not serve CRI");
  REQUIRE(line != std::string::npos);
  CHECK(log.find("may be missing", line) == std::string::npos);
  CHECK(log.find("warning") == std::string::npos);
}
