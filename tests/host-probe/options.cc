#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/http_get.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"
#include "userspace/fd.h"

using katameter::Fd;
using namespace katameter::host::testing;
using namespace katameter::testing;

namespace {

long lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

// A listening TCP socket on a free port of 127.0.0.1.
struct Listener {
  Listener() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(socket.get(), 1) == 0);
    getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  Fd socket;
  int port = 0;
};

}  // namespace

TEST_CASE("wrong usage is one line that says what to do, and status 2") {
  TemporaryDirectory temporary;
  const std::string wrong_key = temporary.path() / "key.conf";
  std::ofstream(wrong_key) << "nonsense = 3\n";
  const std::string wrong_value = temporary.path() / "value.conf";
  std::ofstream(wrong_value) << "log.level = \"loud\"\n";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--bogus"}, "--bogus"},
      {{"run", "--bogus"}, "--bogus"},
      {{"dance"}, "dance"},
      {{"--run-root"}, "--run-root"},
      {{"--log.level", "loud"}, "debug, info, warning or error"},
      {{"--web.listen-address", "::1:9717"}, "give IP:PORT"},
      {{"--web.listen-address", "[localhost]:9717"}, "give IP:PORT"},
      {{"--web.listen-address", "a b:9717"}, "give IP:PORT"},
      {{"--web.listen-address", "127.0.0.1"}, "give IP:PORT"},
      {{"--web.listen-address", "127.0.0.1:65536"}, "give IP:PORT"},
      {{"--guest.port", "0"}, "guest.port"},
      {{"--guest.port", "4294967295"}, "guest.port"},
      {{"--web.telemetry-path", "metrics"}, "not a path"},
      {{"--web.telemetry-path", "/a b"}, "not a path"},
      {{"--web.telemetry-path", "/-/ready"}, "not a path"},
      {{"--log.format", "xml"}, "xml"},
      {{"--runtime-endpoint", "tcp://127.0.0.1:1"}, "unix:///run/containerd/containerd.sock"},
      {{"--runtime-endpoint", "none,/run/a.sock"}, "none"},
      {{"--pods-from", "kubelet"}, "neither runtime nor api"},
      {{"--pods-from", "api"}, "NODE_NAME"},
      {{"check-config", "--pods-from", "api", "--node-name", "a b"}, "--node-name"},
      {{"--config", temporary.path() / "missing"}, "missing"},
      {{"--config", temporary.path()}, "directory"},
      {{"--config", wrong_key}, "nonsense"},
      {{"--config", wrong_value}, "debug, info, warning or error"},
  };
  for (const auto& [arguments, expected] : cases) {
    Program program(arguments);
    CHECK(program.status() == 2);
    CHECK(lines(program.said()) == 1);
    CHECK_THAT(program.said(),
               Catch::StartsWith("host-probe: ") && Catch::Contains(expected) && Catch::Contains("--help"));
  }
}

TEST_CASE("--version and --help") {
  Program version({"--version"});
  CHECK(version.status() == 0);
  CHECK(version.said() == "host-probe " KATAMETER_VERSION "\n");
  Program help({"--help"});
  CHECK(help.status() == 0);
  for (const char* flag : {"--run-root", "--runtime-endpoint", "--pods-from", "--web.listen-address",
                           "--web.telemetry-path", "--web.config.file", "--web.systemd-socket", "--log.level",
                           "--log.format", "--config", "run", "check-config"}) {
    CHECK_THAT(help.said(), Catch::Contains(flag));
  }
}

TEST_CASE("check-config says whether run would take the files") {
  TemporaryDirectory temporary;
  const std::string web = temporary.path() / "web.yml";
  const std::string config = temporary.path() / "host-probe.conf";
  std::ofstream(config) << "web.config.file = \"" << web << "\"\n";
  Program no_file({"check-config", "--config", config});
  CHECK(no_file.status() == 1);
  CHECK(lines(no_file.said()) == 1);
  CHECK_THAT(no_file.said(), Catch::Contains(web) && Catch::Contains("cannot be read"));
  std::ofstream(web) << "basic_auth_users: {}\n";
  Program good({"check-config", "--config", config});
  CHECK(good.status() == 0);
  CHECK(good.said().empty());
}

TEST_CASE("listen addresses can be written as for Go's servers") {
  for (const char* address : {":19717", "localhost:19717", "[::]:19717", "[::1]:19717", "[127.0.0.1]:19717",
                              "0.0.0.0:19717", "127.0.0.1:0", "[fe80::1%lo]:1", "node-1.example:80"}) {
    INFO(address);
    Program program({"check-config", "--web.listen-address", address});
    CHECK(program.status() == 0);
  }
}

TEST_CASE("a port that is taken is one line that says what to do, and status 1") {
  const Listener taken;
  Program program({"--web.listen-address", "127.0.0.1:" + std::to_string(taken.port)});
  CHECK(program.status() == 1);
  CHECK(lines(program.said()) == 1);
  CHECK_THAT(program.said(), Catch::Contains("already in use") && Catch::Contains("--web.listen-address"));
}

TEST_CASE("it serves what a configuration file asks for, until a signal, and leaves with 0") {
  TemporaryDirectory temporary;
  const std::string config = temporary.path() / "host-probe.conf";
  std::ofstream(config) << "run-root = \"" << temporary.path().string() << "\"\n"
                        << "web.listen-address = \"127.0.0.1:0\"\nlog.level = \"info\"\n";
  const int signal = GENERATE(SIGTERM, SIGINT);
  Program program({"run", "--config", config});
  REQUIRE(program.says("/metrics,"));
  const std::string answer = http_get(program.addresses().at(0), "/metrics");
  CHECK_THAT(answer, Catch::Contains("200 OK") && Catch::Contains("katameter_sandboxes 0") &&
                         Catch::Contains("katameter_scrape_collect_success 1"));
  program.stop(signal);
  CHECK(program.status() == 0);
}
