#include <crypt.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host-probe/web/basic_auth.h"
#include "host-probe/web/web_config.h"
#include "tests/host-probe/support/http_get.h"
#include "tests/host-probe/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::testing;

namespace {

// As htpasswd -B makes it, as cheap as bcrypt can be.
std::string bcrypt(const std::string& password) {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE] = {};
  REQUIRE(crypt_gensalt_rn("$2b$", 4, nullptr, 0, salt, sizeof salt) != nullptr);
  crypt_data scratch{};
  return crypt_r(password.c_str(), salt, &scratch);
}

std::string write_file(const TemporaryDirectory& folder, const std::string& text) {
  const std::string path = folder.path() / "web.yml";
  std::ofstream(path) << text;
  return path;
}

}  // namespace

TEST_CASE("users are read from a web configuration file") {
  const TemporaryDirectory folder;
  const std::string hash = bcrypt("secret");
  const auto config = read_web_config(write_file(folder, "basic_auth_users:\n  alice: " + hash + "\n"));
  REQUIRE(config);
  CHECK(config->users == std::map<std::string, std::string>{{"alice", hash}});
  const auto empty = read_web_config(write_file(folder, ""));
  REQUIRE(empty);
  CHECK(empty->users.empty());
}

TEST_CASE("what a web configuration asks for and cannot have is said") {
  const TemporaryDirectory folder;
  const std::vector<std::pair<std::string, std::string>> cases{
      {"tls_server_config:\n  cert_file: a\n  key_file: b\n", "no TLS"},
      {"http_server_config:\n  http2: true\n", "http_server_config"},
      {"basic_auth_users:\n  alice: secret\n", "no bcrypt hash"},
      {"basic_auth_users: alice\n", "no map"},
      {"basic_auth_users: [", "web.yml"},
      {"[1, 2]", "no map"},
      {"? [1]\n: 2\n", "web.yml"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    const auto config = read_web_config(write_file(folder, text));
    REQUIRE_FALSE(config);
    CHECK_THAT(config.error().text, Catch::StartsWith("--web.config.file") && Catch::Contains(expected));
  }
  CHECK_THAT(read_web_config(folder.path() / "missing").error().text, Catch::Contains("cannot be read"));
}

TEST_CASE("a user gets in with the password that is theirs, the second time too") {
  BasicAuth auth({{"alice", bcrypt("secret")}, {"bob", bcrypt("other")}});
  for (int round = 0; round < 2; ++round) {
    CHECK(auth.allows("alice", "secret"));
    CHECK(auth.allows("bob", "other"));
    CHECK_FALSE(auth.allows("alice", "other"));
    CHECK_FALSE(auth.allows("alice", ""));
    CHECK_FALSE(auth.allows("bob", "secret"));
    CHECK_FALSE(auth.allows("carol", "secret"));
    CHECK_FALSE(auth.allows("", ""));
  }
}

TEST_CASE("after the users were replaced only the new ones get in") {
  BasicAuth auth({{"alice", bcrypt("secret")}, {"bob", bcrypt("other")}});
  REQUIRE(auth.allows("alice", "secret"));
  REQUIRE(auth.allows("bob", "other"));
  auth.replace_users({{"alice", bcrypt("changed")}, {"carol", bcrypt("third")}});
  CHECK_FALSE(auth.allows("alice", "secret"));
  CHECK_FALSE(auth.allows("bob", "other"));
  CHECK(auth.allows("alice", "changed"));
  CHECK(auth.allows("carol", "third"));
}

TEST_CASE("several addresses, another path, the pages, and who may read what") {
  const TemporaryDirectory folder;
  const std::string config = write_file(folder, "basic_auth_users:\n  alice: " + bcrypt("secret") + "\n");
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--web.listen-address",
                   "127.0.0.2:0", "--web.telemetry-path", "/kata/metrics", "--web.config.file", config});
  const auto addresses = program.addresses();
  REQUIRE(addresses.size() == 2);
  const std::string alice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";  // alice:secret
  for (const std::string& address : addresses) {
    INFO(address);
    CHECK_THAT(http_get(address, "/kata/metrics"), Catch::Contains(" 401 "));
    CHECK_THAT(http_get(address, "/api/sandboxes"), Catch::Contains(" 401 "));
    CHECK_THAT(http_get(address, "/api/sandboxes", alice), Catch::Contains(" 200 "));
    CHECK_THAT(http_get(address, "/kata/metrics", "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"),
               Catch::Contains(" 401 "));
    CHECK_THAT(http_get(address, "/kata/metrics", alice),
               Catch::Contains(" 200 ") && Catch::Contains("katameter_sandboxes 0"));
    CHECK_THAT(http_get(address, "/kata/metrics", alice + "Accept-Encoding: gzip\r\n"),
               Catch::Contains("Content-Encoding: gzip"));
    CHECK_THAT(http_get(address, "/metrics", alice), Catch::Contains(" 404 "));
    CHECK_THAT(http_get(address, "/"), Catch::Contains(" 200 ") && Catch::Contains("href=\"kata/metrics\""));
    // What the page is made of, and nothing else.
    CHECK_THAT(http_get(address, "/"),
               Catch::Contains("src=\"page/main.js\"") && !Catch::Contains("\"/") && !Catch::Contains("@") &&
                   Catch::Contains("Content-Security-Policy: default-src 'none'; script-src 'self';"));
    CHECK_THAT(http_get(address, "/page/main.js"),
               Catch::Contains(" 200 ") && Catch::Contains("Content-Type: text/javascript"));
    CHECK_THAT(http_get(address, "/page/style.css"),
               Catch::Contains(" 200 ") && Catch::Contains("Content-Type: text/css"));
    for (const char* path : {"/page/", "/page/other.js", "/page/../main.js", "/page"}) {
      INFO(path);
      CHECK_THAT(http_get(address, path), Catch::Contains(" 404 "));
    }
    CHECK_THAT(http_get(address, "/-/healthy"), Catch::Contains(" 200 "));
  }
  CHECK_THAT(http_get(addresses[0], "/-/ready"), Catch::Contains(" 200 "));
  const std::string metrics = http_get(addresses[0], "/kata/metrics", alice);
  for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}) {
    INFO(name);
    const std::size_t at = metrics.find(std::string("\n") + name + " ");
    REQUIRE(at != std::string::npos);
    CHECK(std::stod(metrics.substr(at + std::string(name).size() + 2)) > 0);
  }
}

TEST_CASE("the log is logfmt, or JSON, and its messages are quoted") {
  const TemporaryDirectory folder;
  // In the message, and to be escaped.
  const std::string root = folder.path() / "a \"quoted\" \\ folder";
  std::filesystem::create_directory(root);
  const std::vector<std::string> arguments{"--run-root", root, "--web.listen-address", "127.0.0.1:0"};
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
