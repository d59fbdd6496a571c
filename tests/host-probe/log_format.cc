#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter::host::testing;
using namespace katameter::testing;

TEST_CASE("the log is logfmt, or JSON, and its messages are quoted") {
  const TemporaryDirectory folder;
  // In the message, and to be escaped.
  const std::string root = folder.path() / "a \"quoted\" \\ folder";
  std::filesystem::create_directory(root);
  const std::vector<std::string> arguments{"--run-root",  root,           "--web.listen-address",
                                           "127.0.0.1:0", "--state-file", ""};
  Program logfmt(arguments);
  (void)logfmt.addresses();
  CHECK_THAT(logfmt.said(),
             Catch::Contains(" level=info msg=\"host-probe ") && Catch::Contains(R"(a \"quoted\" \\ folder")"));
  std::vector<std::string> with_json = arguments;
  with_json.insert(with_json.end(), {"--log.format", "json"});
  Program json(with_json);
  (void)json.addresses();
  json.stop(SIGTERM);
  CHECK(json.status() == 0);
  std::istringstream lines(json.said());
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    REQUIRE(parsed.is_object());
    CHECK(parsed.contains("time"));
    CHECK(parsed.contains("level"));
    found = found || parsed.at("msg").get<std::string>().find(root) != std::string::npos;
  }
  CHECK(found);
}
