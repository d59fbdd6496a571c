#include <catch2/catch.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "host-probe/top/exposition_text.h"
#include "host-probe/top/sandbox_rows.h"
#include "tests/host-probe/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::testing;

namespace {

const std::string sandbox(64, 'a');
const std::string container(64, 'c');

std::vector<TextSeries> parsed(const std::string& text) {
  auto series = parse_exposition(text);
  if (!series) FAIL(series.error().text);
  return *std::move(series);
}

/// What host-probe would serve, `factor` seconds after its start.
std::vector<TextSeries> exposition(double factor, const std::string& pod = "") {
  const std::string of_sandbox = "{sandbox_id=\"" + sandbox + "\"";
  const std::string of_container = "{id=\"/kata/" + sandbox + "/" + container + "\",name=\"" + container +
                                   "\",image=\"\",namespace=\"shop\",pod=\"" + pod + "\",container=\"\"";
  const auto value = [&](double rate) { return " " + std::to_string(rate * factor) + "\n"; };
  return parsed(
      "# HELP x y\n# TYPE x counter\n"
      "katameter_guest_probe_up" +
      of_sandbox +
      "} 1\n"
      "katameter_sandbox_cpu_seconds_total" +
      of_sandbox + ",component=\"workload\"}" + value(0.5) + "katameter_sandbox_cpu_seconds_total" + of_sandbox +
      ",component=\"vmm\"}" + value(0.25) + "katameter_sandbox_host_cpu_seconds_total" + of_sandbox + "}" +
      value(0.75) + "katameter_sandbox_host_memory_bytes" + of_sandbox +
      "} 104857600\n"
      "katameter_sandbox_overhead_memory_bytes" +
      of_sandbox +
      "} 52428800\n"
      "container_cpu_usage_seconds_total" +
      of_container + ",cpu=\"total\"}" + value(0.625) + "container_memory_usage_bytes" + of_container +
      "} 1048576\n"
      "container_oom_events_total{id=\"/kata/" +
      std::string(64, 'b') + "/" + container + "\"} 1\n" +
      (pod.empty() ? "" : "katameter_sandbox_info" + of_sandbox + ",namespace=\"shop\",pod=\"" + pod + "\"} 1\n"));
}

}  // namespace

TEST_CASE("the text format is read back, whatever stands in a label") {
  const auto series =
      parsed("a 1\nb{x=\"1\"} 2.5e3\nc{x=\"a\\\"b\\\\c\\nd}\",y=\"{,=\"} NaN\n\n# c\nd{} +Inf 1700000000\n");
  REQUIRE(series.size() == 4);
  CHECK(series[0].name == "a");
  CHECK(series[1].value == 2500);
  CHECK(series[1].label("x") == "1");
  CHECK(series[1].label("y").empty());
  CHECK(series[2].label("x") == "a\"b\\c\nd}");
  CHECK(series[2].label("y") == "{,=");
  CHECK(series[3].labels.empty());
  for (const char* text : {"a", "a{", "a{x} 1", "a{x=\"1} 1", "a{x=\"1\"", "a{x=\"1\"}1", "a x", "{} 1", "a{x=\"\\"}) {
    INFO(text);
    CHECK_FALSE(parse_exposition(text));
  }
}

TEST_CASE("rows have rates of counters and the gauges as they are") {
  const auto rows = sandbox_rows(exposition(10), exposition(14, "web-1"), 4);
  REQUIRE(rows.size() == 1);  // the other one has ended
  CHECK(rows[0].id == sandbox);
  CHECK(rows[0].pod == "shop/web-1");
  CHECK(rows[0].guest_up);
  CHECK(rows[0].cpu.at("workload") == Approx(0.5));
  CHECK(rows[0].cpu.at("total") == Approx(0.75));
  CHECK(rows[0].cpu.count("shim") == 0);
  CHECK(rows[0].memory.at("overhead") == 52428800);
  REQUIRE(rows[0].containers.size() == 1);
  CHECK(rows[0].containers[0].name == std::string(12, 'c'));
  // With the pod's name it was another series: no rate yet, as after a counter's reset none below 0.
  CHECK(rows[0].containers[0].figures.count("cpu") == 0);
  CHECK(sandbox_rows(exposition(10), exposition(14), 4)[0].containers[0].figures.at("cpu") == Approx(0.625));
  CHECK(sandbox_rows(exposition(14), exposition(2), 4)[0].cpu.at("total") == 0);
}

TEST_CASE("the table folds containers out and fits its width") {
  const auto rows = sandbox_rows(exposition(10), exposition(14), 4);
  const std::string folded = sandbox_table(rows, false);
  CHECK_THAT(folded, Catch::Contains("75.0") && Catch::Contains("100.0") && Catch::Contains(std::string(12, 'a')));
  CHECK_THAT(folded, !Catch::Contains("ccc"));
  CHECK_THAT(sandbox_table(rows, true), Catch::Contains("\n  " + std::string(12, 'c')) && Catch::Contains("62.5"));
  std::istringstream lines(sandbox_table(rows, true, 40));
  for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 40);
  CHECK_THAT(sandbox_table({}, false), Catch::Contains("no sandbox"));
}

TEST_CASE("JSON has every figure") {
  const auto document = nlohmann::json::parse(sandbox_json(sandbox_rows(exposition(10), exposition(14), 4)));
  const auto& row = document.at("sandboxes").at(0);
  CHECK(row.at("id") == sandbox);
  CHECK(row.at("cpu").at("vmm").get<double>() == Approx(0.25));
  CHECK(row.at("memory").at("total") == 104857600);
  CHECK(row.at("containers").at(0).at("memory") == 1048576);
  CHECK(nlohmann::json::parse(sandbox_json({})).at("sandboxes").empty());
}

TEST_CASE("host-probe top asks the host-probe that runs") {
  const TemporaryDirectory folder;
  Program served({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--state-file", ""});
  const auto addresses = served.addresses();
  REQUIRE_FALSE(addresses.empty());
  Program table({"top", "--address", addresses[0], "--interval", "0.1"});
  CHECK(table.says("no sandbox"));
  CHECK(table.status() == 0);
  Program json({"top", "--json", "--address", addresses[0], "--interval", "0.1"});
  CHECK(json.says("\"sandboxes\": []"));
  CHECK(json.status() == 0);
  Program lost({"top", "--address", addresses[0], "--path", "/nothing"});
  CHECK(lost.says("404"));
  CHECK(lost.status() == 1);
  served.stop(SIGTERM);
  CHECK(served.status() == 0);
  Program nobody({"top", "--address", addresses[0]});
  CHECK(nobody.says("cannot reach host-probe"));
  CHECK(nobody.status() == 1);
}
