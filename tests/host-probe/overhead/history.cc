#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "host-probe/cli/overhead.h"
#include "host-probe/overhead/history.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/units.h"
#include "userspace/fd.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;

namespace {

ContainerId id_of(int number) {
  ContainerId id;
  id.bytes[0] = static_cast<std::uint8_t>(number >> 8);
  id.bytes[1] = static_cast<std::uint8_t>(number);
  return id;
}

/// A node with one sandbox per given figure, ten seconds later with each call.
struct Reports {
  NodeReport report;

  const NodeReport& next() {
    report.unix_seconds += 10;
    report.monotonic_seconds += 10;
    return report;
  }
  SandboxReport& add(int number, std::uint64_t memory_bytes) {
    SandboxReport& sandbox = report.sandboxes.emplace_back();
    sandbox.id = id_of(number);
    Account& account = sandbox.account.emplace();
    account.divided = true;
    account.memory.by_use.emplace();
    account.memory.overhead = memory_bytes;
    return sandbox;
  }
  Reports() { report.unix_seconds = 1'700'000'000; }
};

std::string handler_of(const SandboxReport& sandbox) {
  return sandbox.id.cri_id()->bytes[1] < 100 ? "kata-clh" : "kata-qemu";
}

std::string slurp(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a sandbox's overhead is its mean CPU, where it is known, and its highest memory") {
  Reports reports;
  SandboxReport& sandbox = reports.add(1, 100 * mebibyte);
  OverheadHistory history;
  history.update(reports.next(), handler_of);
  sandbox.account->cpu_overhead_ns = 1'000'000'000;
  sandbox.account->memory.overhead = 180 * mebibyte;
  sandbox.account->memory.by_use->free = 30 * mebibyte;  // was the workload's
  history.update(reports.next(), handler_of);
  sandbox.account->cpu_overhead_ns = 9'000'000'000;
  sandbox.account->divided = false;
  sandbox.account->memory.overhead = 90 * mebibyte;
  history.update(reports.next(), handler_of);
  const SandboxOverhead& found = history.sandboxes().at(id_of(1).hex());
  CHECK(found.handler == "kata-clh");
  CHECK(found.cpu_seconds == 1.0);
  CHECK(found.seconds == 10.0);
  CHECK(found.memory_bytes == 150 * mebibyte);
  CHECK(found.last - found.first == 20);
}

TEST_CASE("a sandbox whose guest does not report its workload has no overhead") {
  Reports reports;
  reports.add(1, 0).account->memory.overhead.reset();
  reports.report.sandboxes.emplace_back().id = id_of(2);
  OverheadHistory history;
  history.update(reports.next(), handler_of);
  CHECK(history.empty());
}

TEST_CASE("quantiles are values that there were") {
  std::vector<double> values;
  for (int i = 100; i > 0; --i) values.push_back(i);
  CHECK(quantiles(values).p50 == 50);
  CHECK(quantiles(values).p95 == 95);
  CHECK(quantiles(values).max == 100);
  CHECK(quantiles({7}).p50 == 7);
  CHECK(quantiles({7}).p95 == 7);
  CHECK(quantiles({}).max == 0);
}

TEST_CASE("each handler has its quantiles and a RuntimeClass of p95") {
  Reports reports;
  for (int i = 1; i <= 20; ++i) reports.add(i, static_cast<std::uint64_t>(100 + i) * mebibyte);
  reports.add(100, 300 * mebibyte);
  OverheadHistory history;
  history.update(reports.next(), handler_of);
  for (SandboxReport& sandbox : reports.report.sandboxes) {
    sandbox.account->cpu_overhead_ns =
        sandbox.id.cri_id()->bytes[1] * 10'000'000ULL;  // of ten seconds: so many thousandths
  }
  history.update(reports.next(), handler_of);
  const auto handlers = summarize(history);
  REQUIRE(handlers.size() == 2);
  CHECK(handlers[0].handler == "kata-clh");
  CHECK(handlers[0].sandboxes == 20);
  CHECK(handlers[0].memory.p50 == 110.0 * mebibyte);
  CHECK(handlers[0].memory.p95 == 119.0 * mebibyte);
  CHECK(handlers[0].memory.max == 120.0 * mebibyte);
  CHECK(handlers[0].cpu.p95 == Approx(0.019));
  CHECK(runtime_classes({handlers[0]}) ==
        "---\n"
        "# p95 of 20 sandboxes over 10 seconds; max: 20m, 120Mi\n"
        "apiVersion: node.k8s.io/v1\n"
        "kind: RuntimeClass\n"
        "metadata:\n"
        "  name: \"kata-clh\"\n"
        "handler: \"kata-clh\"\n"
        "overhead:\n"
        "  podFixed:\n"
        "    cpu: 19m\n"
        "    memory: 119Mi\n");
  CHECK(handlers[1].memory.p50 == 300.0 * mebibyte);
}

TEST_CASE("a handler whose name no RuntimeClass can have is left out") {
  HandlerOverhead handler;
  handler.sandboxes = 1;
  for (const std::string& name :
       {std::string("Kata"), std::string("kata_clh"), std::string("kata.clh"), std::string("-"), std::string("kata-"),
        std::string(64, 'a'), std::string("a\nkind: Secret")}) {
    INFO(name);
    handler.handler = name;
    const std::string text = runtime_classes({handler});
    CHECK(text.starts_with("# "));
    CHECK(text.find('\n') == text.size() - 1);
  }
  handler.handler = std::string(63, 'a');
  CHECK_THAT(runtime_classes({handler}), Catch::Contains("handler: \"" + handler.handler));
}

TEST_CASE("a state file with figures that cannot be is refused") {
  const std::string good =
      R"({"version": 1, "sandboxes": {")" + id_of(1).hex() +
      R"(": {"handler": "", "first": 5, "last": 6, "cpu_seconds": 1.5, "seconds": 3, "memory_bytes": 7}}})";
  REQUIRE(OverheadHistory::parse(good));
  const std::vector<std::pair<std::string, std::string>> changes{{R"("first": 5)", R"("first": -5)"},
                                                                 {R"("first": 5)", R"("first": 1e300)"},
                                                                 {R"("last": 6)", R"("last": 18446744073709551615)"},
                                                                 {R"("memory_bytes": 7)", R"("memory_bytes": -7)"},
                                                                 {R"("cpu_seconds": 1.5)", R"("cpu_seconds": -1)"},
                                                                 {R"("cpu_seconds": 1.5)", R"("cpu_seconds": 1e9)"},
                                                                 {R"("seconds": 3)", R"("seconds": 0)"},
                                                                 {R"("handler": "")", R"("handler": 1)"}};
  for (const auto& [part, other] : changes) {
    INFO(other);
    std::string text = good;
    text.replace(text.find(part), part.size(), other);
    CHECK_FALSE(OverheadHistory::parse(text));
  }
}

TEST_CASE("the history survives as text, and other text is refused") {
  Reports reports;
  reports.add(1, 100 * mebibyte);
  OverheadHistory history;
  history.update(reports.next(), handler_of);
  const auto again = OverheadHistory::parse(history.text());
  REQUIRE(again);
  CHECK(again->text() == history.text());
  for (const std::string& text :
       {std::string(), std::string("nonsense"), std::string("[]"), std::string(R"({"version": 2, "sandboxes": {}})"),
        std::string(R"({"version": 2222222222222222222222222221, "sandboxes": {}})"),
        std::string(R"({"version": "1", "sandboxes": {}})"), std::string(R"({"version": 1})"),
        std::string(R"({"version": 1, "sandboxes": {"abc": {}}})"),
        history.text().substr(0, history.text().size() / 2)}) {
    INFO(text);
    CHECK_FALSE(OverheadHistory::parse(text));
  }
}

TEST_CASE("of each handler so many sandboxes are remembered, the latest") {
  OverheadHistory history;
  Reports reports;
  const int many = static_cast<int>(OverheadHistory::max_sandboxes) + 30;
  for (int i = 0; i < many; ++i) {
    reports.report.sandboxes.clear();
    reports.add(i, mebibyte);
    history.update(reports.next(), [](const SandboxReport&) { return "kata"; });
  }
  CHECK(history.sandboxes().size() == OverheadHistory::max_sandboxes);
  CHECK(history.sandboxes().count(id_of(0).hex()) == 0);
  CHECK(history.sandboxes().count(id_of(many - 1).hex()) == 1);
}

TEST_CASE("quantiles survive a restart, in a file that is always whole") {
  const TemporaryDirectory folder;
  const std::string file = folder.path() / "state" / "overhead.json";
  Reports reports;
  reports.add(1, 100 * mebibyte);
  {
    OverheadKeeper keeper(file, handler_of);
    keeper.update(reports.next());
  }
  CHECK_FALSE(std::filesystem::exists(file + ".new"));
  // The same sandbox still runs and another one comes.
  reports.report.sandboxes[0].account->memory.overhead = 50 * mebibyte;
  reports.add(2, 200 * mebibyte);
  {
    OverheadKeeper keeper(file, handler_of);
    keeper.update(reports.next());
  }
  const OverheadKeeper keeper(file, handler_of);
  const auto handlers = summarize(keeper.history());
  REQUIRE(handlers.size() == 1);
  CHECK(handlers[0].sandboxes == 2);
  CHECK(handlers[0].memory.p50 == 100.0 * mebibyte);
  CHECK(handlers[0].memory.max == 200.0 * mebibyte);
  CHECK(handlers[0].last - handlers[0].first == 10);
}

TEST_CASE("a bad file is put aside, and the service goes on with a new one") {
  const TemporaryDirectory folder;
  const std::string file = folder.path() / "overhead.json";
  std::ofstream(file) << R"({"version": 1, "sandb)";
  Reports reports;
  reports.add(1, 100 * mebibyte);
  {
    OverheadKeeper keeper(file, handler_of);
    CHECK(keeper.history().empty());
    keeper.update(reports.next());
  }
  CHECK(slurp(file + ".bad") == R"({"version": 1, "sandb)");
  CHECK(OverheadHistory::parse(slurp(file)));
}

TEST_CASE("a disk that does not answer keeps no scrape waiting") {
  const TemporaryDirectory folder;
  const std::string file = folder.path() / "overhead.json";
  // Opening it blocks until there is a reader.
  const std::string slow = file + ".new";
  REQUIRE(mkfifo(slow.c_str(), 0600) == 0);
  Reports reports;
  reports.add(1, 100 * mebibyte);
  Fd reader;
  {
    OverheadKeeper keeper(file, handler_of, std::chrono::seconds(0));
    for (int i = 0; i < 3; ++i) keeper.update(reports.next());
    reader = Fd(open(slow.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(reader);
  }
  // What had waited was written before the keeper went.
  std::string written(4096, '\0');
  written.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(reader.get(), written.data(), written.size()))));
  CHECK_THAT(written, Catch::Contains("\"last\":" + std::to_string(reports.report.unix_seconds)));
}

TEST_CASE("a clock that is set back costs neither the history nor the file") {
  Reports reports;
  reports.add(1, 100 * mebibyte);
  OverheadHistory history;
  history.update(reports.next(), handler_of);
  reports.report.unix_seconds -= 86'400;
  history.update(reports.next(), handler_of);
  const auto read = OverheadHistory::parse(history.text());
  REQUIRE(read);
  const SandboxOverhead& sandbox = read->sandboxes().begin()->second;
  CHECK(sandbox.first <= sandbox.last);
}

TEST_CASE("a file that cannot be written harms nobody, and none at all is wanted by an empty name") {
  Reports reports;
  reports.add(1, 100 * mebibyte);
  for (const char* file : {"/proc/no/such/overhead.json", ""}) {
    OverheadKeeper keeper(file, handler_of);
    keeper.update(reports.next());
  }
}

TEST_CASE("host-probe overhead prints what kubectl takes, or says what is missing") {
  const TemporaryDirectory folder;
  const std::string file = folder.path() / "overhead.json";
  {
    Program program({"overhead", "--state-file", file});
    CHECK(program.status() == 1);
    CHECK(program.says("there is no " + file));
  }
  Reports reports;
  reports.add(1, 100 * mebibyte + 1);
  {
    OverheadKeeper keeper(file, [](const SandboxReport&) { return ""; });
    keeper.update(reports.next());
  }
  Program program({"overhead", "--state-file", file});
  CHECK(program.says("    memory: 101Mi\n"));
  CHECK(program.status() == 0);
  std::istringstream lines(program.said());
  for (std::string line; std::getline(lines, line) && line != "---";) CHECK(line.starts_with("# "));
  CHECK(program.said().find("handler is not known") != std::string::npos);
  CHECK(program.said().find("1 sandbox over 0 seconds") != std::string::npos);
}
