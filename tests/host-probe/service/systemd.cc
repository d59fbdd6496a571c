#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>

#include "tests/support/fake_manager.h"
#include "tests/support/http_get.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> arguments(const TemporaryDirectory& folder) {
  return {"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--state-file", ""};
}

}  // namespace

TEST_CASE("the service manager is notified when it serves, and when it stops") {
  const TemporaryDirectory folder;
  FakeManager manager;
  Program program(arguments(folder));
  const std::string ready = manager.message_with("READY=1");
  CHECK_THAT(ready, Catch::Contains("STATUS=Serving http://127.0.0.1:"));
  CHECK_THAT(http_get(program.addresses().at(0), "/-/ready"), Catch::Contains(" 200 "));
  CHECK(manager.messages_of(300ms).empty());
  program.stop(SIGTERM);
  CHECK_FALSE(manager.message_with("STOPPING=1").empty());
  CHECK(program.status() == 0);
}

TEST_CASE("where the manager has a watchdog, the event loop reports to it") {
  const TemporaryDirectory folder;
  FakeManager manager(200ms);
  const auto begin = std::chrono::steady_clock::now();
  Program program(arguments(folder));
  REQUIRE_FALSE(manager.message_with("READY=1").empty());
  // Every 100 ms: ten of them come, on a busy machine late, and never sooner.
  for (int i = 0; i < 10; ++i) CHECK(manager.message_with("WATCHDOG=1") == "\nWATCHDOG=1\n");
  CHECK(std::chrono::steady_clock::now() - begin >= 900ms);
}

TEST_CASE("one that cannot be reached is no reason not to serve") {
  const TemporaryDirectory folder;
  setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  Program program(arguments(folder));
  unsetenv("NOTIFY_SOCKET");
  CHECK(program.addresses().size() == 1);
  program.stop(SIGTERM);
  CHECK(program.status() == 0);
  CHECK_THAT(program.said(), Catch::Contains("cannot reach the service manager"));
}

TEST_CASE("it stops at once") {
  const TemporaryDirectory folder;
  std::chrono::steady_clock::duration fastest = 1h;
  for (int round = 0; round < 5; ++round) {
    Program program(arguments(folder));
    CHECK_THAT(http_get(program.addresses().at(0), "/metrics"), Catch::Contains(" 200 "));
    const auto begin = std::chrono::steady_clock::now();
    program.stop(SIGTERM);
    CHECK(program.status() == 0);
    fastest = std::min(fastest, std::chrono::steady_clock::now() - begin);
  }
  // Where the server's own thread is left to look, it is 2 s each time.
  CHECK(fastest < 1s);
}
