#include "host-probe/http/api.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/fake_report.h"
#include "tests/support/http_get.h"
#include "tests/support/program.h"
#include "tests/support/rendered.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using nlohmann::json;

namespace {

NodeReport report_after(double seconds) {
  NodeReport report = fake_report(seconds, NameStyle::ordinary);
  report.unix_seconds = 1'700'000'000;
  return report;
}

json document_of(const NodeReport& report) {
  const ApiAnswer answer = answer_sandboxes(&report);
  CHECK(answer.status == 200);
  return json::parse(answer.json);
}

using SeriesKey = std::pair<std::string, std::string>;  // metric, label

// The metric that a field of a sandbox equals, and the label that stands for the keys below it.
SeriesKey series_of(const std::string& field) {
  if (field == "cpu_seconds_total" || field == "memory_bytes") return {"katameter_sandbox_" + field, "component"};
  if (field == "guest_ram_bytes") return {"katameter_sandbox_" + field, "use"};
  if (field == "process_cpu_seconds_total") return {"katameter_" + field, "role"};
  if (field == "guest_cpu_seconds_total") return {"katameter_" + field, "owner"};
  return {"katameter_sandbox_" + field, ""};
}

std::string metric_of_container(const std::string& field) {
  if (field == "memory_rss_bytes") return "container_memory_rss";
  if (field == "memory_cache_bytes") return "container_memory_cache";
  if (field == "memory_limit_bytes") return "container_spec_memory_limit_bytes";
  if (field == "host_cpu_seconds_total") return "katameter_container_host_cpu_seconds_total";
  return "container_" + field;
}

}  // namespace

TEST_CASE("the document of /api/sandboxes is the documented one") {
  std::ifstream file(GOLDEN_FOLDER "/http/sandboxes.json");
  REQUIRE(file);
  const json expected = json::parse(file);
  const json document = document_of(report_after(100));
  INFO("it is now\n" << document.dump(2));
  CHECK(document == expected);
}

TEST_CASE("every value of the document is that of its metric in the same report") {
  const NodeReport report = report_after(100);
  const Rendered rendered(report);
  const json document = document_of(report);
  std::size_t compared = 0;
  const auto check = [&](const std::string& metric, const Series& labels, const json& value) {
    INFO(metric);
    const auto served = rendered.value(metric, labels);
    REQUIRE(served);
    CHECK(*served == Approx(value.get<double>()).epsilon(1e-12));
    ++compared;
  };
  for (const json& sandbox : document.at("sandboxes")) {
    const std::string id = sandbox.at("id");
    for (const auto& [field, value] : sandbox.items()) {
      const auto [metric, label] = series_of(field);
      if (value.is_number()) check(metric, {{"sandbox_id", id}}, value);
      if (!value.is_object()) continue;
      for (const auto& [key, part] : value.items()) check(metric, {{"sandbox_id", id}, {label, key}}, part);
    }
    for (const json& container : sandbox.at("containers")) {
      const std::string of_container = container.at("id");
      for (const auto& [field, value] : container.items()) {
        if (!value.is_number()) continue;
        Series labels{{"id", "/kata/" + id + "/" + of_container},
                      {"name", of_container},
                      {"image", ""},
                      {"namespace", sandbox.at("namespace")},
                      {"pod", sandbox.at("pod")},
                      {"container", container.value("name", "")}};
        const auto* family = rendered.family(metric_of_container(field));
        REQUIRE(family != nullptr);
        // The image is not in the document: take the one series of this id.
        for (const auto& metric : family->metric) {
          for (const auto& of : metric.label) {
            if (of.name == "id" && of.value == labels["id"]) {
              for (const auto& of_same : metric.label) {
                if (of_same.name == "image" || of_same.name == "cpu") labels[of_same.name] = of_same.value;
              }
            }
          }
        }
        if (field == "host_cpu_seconds_total") labels["component"] = "workload";
        check(metric_of_container(field), labels, value);
      }
    }
  }
  CHECK(compared > 100);
}

TEST_CASE("what is not known is absent, and a sandbox that has ended with it") {
  NodeReport report;
  CHECK(document_of(report).at("sandboxes").empty());
  SandboxReport& sandbox = report.sandboxes.emplace_back();
  sandbox.id = *ContainerId::from_hex(sandbox_hex);
  report.sandboxes.emplace_back().ended = true;
  const json document = document_of(report);
  REQUIRE(document.at("sandboxes").size() == 1);
  const json& row = document.at("sandboxes").at(0);
  std::set<std::string> fields;
  for (const auto& [field, value] : row.items()) fields.insert(field);
  CHECK(fields == std::set<std::string>{"id", "guest_probe_up", "guest_protocol_violation", "containers"});
}

TEST_CASE("a limit that means none is 0, and a container without memory values has no limit") {
  wire::Container container = full_container();
  container.memory_limit_bytes = std::uint64_t{0x7ffffffffffff000};
  const auto limit_of = [](const wire::Container& of) {
    const NodeReport report = with_container(of);
    const json row = document_of(report).at("sandboxes").at(0).at("containers").at(0);
    return row.contains("memory_limit_bytes") ? row.at("memory_limit_bytes") : json();
  };
  CHECK(limit_of(container) == 0);
  container.memory_limit_bytes.reset();
  CHECK(limit_of(container) == 0);
  container.memory_peak_bytes.reset();
  CHECK(limit_of(container).is_null());
}

TEST_CASE("a name that is not UTF-8 does not cost the document") {
  NodeReport report;
  SandboxReport& sandbox = report.sandboxes.emplace_back();
  sandbox.names = std::make_shared<const SandboxNames>(SandboxNames{
      .pod_namespace = "a\xff", .pod = "\"<p>\n", .uid = {}, .runtime_handler = {}, .image = {}, .containers = {}});
  CHECK(document_of(report).at("sandboxes").at(0).at("pod") == "\"<p>\n");
}

TEST_CASE("without a report the answer is an error that can be repeated") {
  const ApiAnswer answer = answer_sandboxes(nullptr);
  CHECK(answer.status == 503);
  const json document = json::parse(answer.json);
  CHECK(document.at("version") == sandboxes_version);
  CHECK_THAT(document.at("error").get<std::string>(), Catch::Contains("ask again"));
}

TEST_CASE("host-probe serves the document") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--state-file", ""});
  const auto addresses = program.addresses();
  REQUIRE(addresses.size() == 1);
  const std::string answer = http_get(addresses[0], sandboxes_path);
  CHECK_THAT(answer, Catch::Contains(" 200 ") && Catch::Contains("application/json"));
  const std::size_t body = answer.find('{');
  REQUIRE(body != std::string::npos);
  const json document = json::parse(answer.substr(body, answer.rfind('}') - body + 1));
  CHECK(document.at("sandboxes").empty());
  CHECK(document.at("monotonic_seconds") > 0);
}
