#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host-probe/cli/host_probe_client.h"
#include "host-probe/cli/sandbox_table.h"
#include "host-probe/http/api.h"
#include "tests/support/fake_report.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using nlohmann::json;

namespace {

json served(double seconds, NameStyle names = NameStyle::ordinary) {
  const NodeReport report = fake_report(seconds, names);
  auto document = parse_sandboxes(answer_sandboxes(&report).json);
  if (!document) FAIL(document.error().text);
  return *std::move(document);
}

/// With rates over 10 s.
json with_rates(NameStyle names = NameStyle::ordinary) {
  json now = served(110, names);
  add_rates(now, served(100, names));
  return now;
}

json& sandbox_of(json& document, const std::string& pod) {
  for (json& sandbox : document["sandboxes"]) {
    if (sandbox["pod"] == pod) return sandbox;
  }
  FAIL("there is no " + pod);
  return document;
}

std::vector<std::string> pods(json document, SandboxOrder order, const std::string& filter = "") {
  select_sandboxes(document, order, filter);
  std::vector<std::string> names;
  for (const json& sandbox : document["sandboxes"]) names.push_back(sandbox["pod"]);
  return names;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

using Pods = std::vector<std::string>;

}  // namespace

TEST_CASE("what is not a document of /api/sandboxes is an error") {
  for (const char* text :
       {"", "404", "[]", "{}", R"({"version":"1"})", R"({"version":1})", R"({"version":1,"monotonic_seconds":1})",
        R"({"version":1,"monotonic_seconds":1,"sandboxes":{}})",
        R"({"version":1,"monotonic_seconds":1,"sandboxes":[1]})",
        R"({"version":1,"monotonic_seconds":1,"sandboxes":[{}]})",
        R"({"version":1,"monotonic_seconds":1,"sandboxes":[{"containers":[[]]}]})"}) {
    INFO(text);
    const auto document = parse_sandboxes(text);
    REQUIRE_FALSE(document);
    CHECK_THAT(document.error().text, Catch::Contains("--address"));
  }
  const auto newer = parse_sandboxes(R"({"version":2,"monotonic_seconds":1,"sandboxes":[]})");
  REQUIRE_FALSE(newer);
  CHECK_THAT(newer.error().text, Catch::Contains("version 2"));
}

TEST_CASE("values of an unexpected type are shown as unknown") {
  auto document = parse_sandboxes(
      R"({"version":1,"monotonic_seconds":1,"sandboxes":[
          {"id":7,"pod":["x"],"host_memory_bytes":"much","guest_ram_bytes":[1],"cpu_seconds_total":7,
           "containers":[{"id":{},"pause":"no","memory_usage_bytes":null}]}]})");
  REQUIRE(document);
  add_rates(*document, json(*document));
  select_sandboxes(*document, SandboxOrder::overhead, "");
  CHECK(lines_of(sandbox_table(*document, true)).size() == 3);
}

TEST_CASE("rates are those of the counters, by second") {
  json now = with_rates();
  const json& web = sandbox_of(now, "web-0");
  CHECK(web["per_second"]["host_cpu_seconds_total"].get<double>() == Approx(0.4451).epsilon(1e-3));
  CHECK(web["per_second"]["cpu_seconds_total"]["vmm"].get<double>() == Approx(0.04));
  CHECK_FALSE(web["per_second"].contains("host_memory_bytes"));
  for (const json& container : web["containers"]) {
    if (container.value("name", "") == "app") {
      CHECK(container["per_second"]["cpu_usage_seconds_total"].get<double>() == Approx(0.3));
    }
  }
}

TEST_CASE("a counter that is new or has fallen has no rate") {
  json now = served(100);
  json later = served(110);
  sandbox_of(later, "web-0")["host_cpu_seconds_total"] = 0;
  sandbox_of(now, "crunch-0").erase("steal_seconds_total");
  sandbox_of(now, "silent-0")["id"] = "another";
  add_rates(later, now);
  CHECK_FALSE(sandbox_of(later, "web-0")["per_second"].contains("host_cpu_seconds_total"));
  CHECK(sandbox_of(later, "web-0")["per_second"].contains("overhead_cpu_seconds_total"));
  CHECK_FALSE(sandbox_of(later, "crunch-0")["per_second"].contains("steal_seconds_total"));
  CHECK(sandbox_of(later, "silent-0")["per_second"].empty());
  // The same collection, as two clients get it that ask at once.
  json same = served(100);
  add_rates(same, served(100));
  CHECK(sandbox_of(same, "web-0")["per_second"].empty());
}

TEST_CASE("top sorts by CPU time, memory, overhead and name") {
  json document = with_rates();
  CHECK(pods(document, SandboxOrder::cpu) == Pods{"web-0", "crunch-0", "silent-0"});
  CHECK(pods(document, SandboxOrder::name) == Pods{"crunch-0", "silent-0", "web-0"});
  sandbox_of(document, "silent-0")["host_memory_bytes"] = 3;
  sandbox_of(document, "web-0")["host_memory_bytes"] = 2;
  sandbox_of(document, "crunch-0").erase("host_memory_bytes");
  CHECK(pods(document, SandboxOrder::memory) == Pods{"silent-0", "web-0", "crunch-0"});
  sandbox_of(document, "crunch-0")["per_second"]["overhead_cpu_seconds_total"] = 0.5;
  sandbox_of(document, "web-0")["per_second"]["overhead_cpu_seconds_total"] = 0.1;
  sandbox_of(document, "silent-0")["per_second"]["overhead_cpu_seconds_total"] = 0.1;
  sandbox_of(document, "silent-0")["overhead_memory_bytes"] = std::uint64_t{1} << 40;
  CHECK(pods(document, SandboxOrder::overhead) == Pods{"crunch-0", "silent-0", "web-0"});
}

TEST_CASE("top filters by namespace, pod and sandbox, whatever the case") {
  const json document = with_rates();
  CHECK(pods(document, SandboxOrder::name, "SHOP/") == Pods{"silent-0", "web-0"});
  CHECK(pods(document, SandboxOrder::name, "crunch") == Pods{"crunch-0"});
  CHECK(pods(document, SandboxOrder::name, "aaaaaaaaaaaa") == Pods{"web-0"});
  CHECK(pods(document, SandboxOrder::name, "nothing").empty());
}

TEST_CASE("the table fits its columns and lines, and says what it leaves out") {
  const json document = with_rates();
  const std::string whole = sandbox_table(document, false);
  CHECK(lines_of(whole).size() == 4);
  CHECK_THAT(whole, Catch::Contains("44.5") && Catch::Contains("571.0") &&
                        Catch::Contains("silent-0                 down ") && !Catch::Contains("  app"));
  CHECK_THAT(sandbox_table(document, true), Catch::Contains("\n  app ") && Catch::Contains("\n  (pause) "));
  for (const std::string& line : lines_of(sandbox_table(document, true, {.columns = 40, .lines = 0}))) {
    CHECK(line.size() <= 40);
  }
  CHECK(sandbox_table(document, false, {.columns = 0, .lines = 4}) == whole);
  const auto clipped = lines_of(sandbox_table(document, false, {.columns = 0, .lines = 3}));
  REQUIRE(clipped.size() == 3);
  CHECK_THAT(clipped[1], Catch::StartsWith("shop/web-0"));
  CHECK_THAT(clipped[2], Catch::StartsWith("2 more sandboxes"));
  const auto containers = lines_of(sandbox_table(document, true, {.columns = 0, .lines = 5}));
  REQUIRE(containers.size() == 5);
  CHECK_THAT(containers[4], Catch::StartsWith("2 more sandboxes"));
  CHECK_THAT(sandbox_table(served(1), false), !Catch::Contains("nan"));
  json empty = document;
  empty["sandboxes"] = json::array();
  CHECK_THAT(sandbox_table(empty, false), Catch::Contains("no sandbox"));
}

TEST_CASE("a name cannot move the terminal's cursor") {
  json document = with_rates();
  sandbox_of(document, "web-0")["pod"] = "\033[2Jx\n\xc2\x9bz";
  for (const char byte : sandbox_table(document, true)) CHECK((byte == '\n' || (byte >= ' ' && byte <= '~')));
  CHECK(lines_of(sandbox_table(document, false)).size() == 4);
}

TEST_CASE("where top cannot ask it says what to change") {
  const TemporaryDirectory folder;
  const std::string empty = folder.path() / "empty";
  std::ofstream{empty};
  const auto error = [](const HttpTarget& target) {
    const auto client = HostProbeClient::create(target);
    return client ? std::string() : client.error().text;
  };
  CHECK(error({}).empty());
  for (const char* address : {"node", ":9717", "node:", "node:web", "ftp://node:1", "node:1/x", ""}) {
    INFO(address);
    HttpTarget target;
    target.address = address;
    CHECK_THAT(error(target), Catch::Contains("neither HOST:PORT nor a URL"));
  }
  HttpTarget tls;
  tls.address = "http://node:9717";
  tls.ca_file = empty;
  CHECK_THAT(error(tls), Catch::Contains("write https://"));
  HttpTarget user;
  user.user = "alice";
  CHECK_THAT(error(user), Catch::Contains("KATAMETER_PASSWORD"));
  user.password_file = empty;
  CHECK_THAT(error(user), Catch::Contains("no first line"));
  user.user.clear();
  CHECK_THAT(error(user), Catch::Contains("--user"));
}

TEST_CASE("host-probe top asks the host-probe that runs") {
  const TemporaryDirectory folder;
  Program served({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--state-file", ""});
  const auto addresses = served.addresses();
  REQUIRE_FALSE(addresses.empty());
  Program table({"top", "--address", addresses[0], "--interval", "0.1"});
  CHECK(table.says("no sandbox"));
  CHECK(table.status() == 0);
  Program printed({"top", "--json", "--address", "http://" + addresses[0] + "/", "--interval", "0.1"});
  CHECK(printed.says("\"sandboxes\": []"));
  CHECK(printed.status() == 0);
  Program lost({"top", "--address", "http://" + addresses[0] + "/nothing"});
  CHECK(lost.says("does not know the path"));
  CHECK(lost.status() == 1);
  Program unsorted({"top", "--sort", "colour"});
  CHECK(unsorted.says("--sort"));
  CHECK(unsorted.status() == 2);
  served.stop(SIGTERM);
  CHECK(served.status() == 0);
  Program nobody({"top", "--address", addresses[0]});
  CHECK(nobody.says("cannot reach host-probe"));
  CHECK(nobody.status() == 1);
}
