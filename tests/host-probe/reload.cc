#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <optional>

#include "tests/support/bcrypt.h"
#include "tests/support/fake_manager.h"
#include "tests/support/http_get.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter::host::testing;
using namespace katameter::testing;

namespace {

const std::string secret = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";  // alice:secret
const std::string other = "Authorization: Basic YWxpY2U6b3RoZXI=\r\n";   // alice:other

// host-probe under a service manager, with a configuration that the test changes.
struct ReloadFixture {
  explicit ReloadFixture(bool with_users) : users(with_users) {
    if (users) write_user("secret");
    write("");
    program.emplace(std::vector<std::string>{"run", "--config", config});
    REQUIRE_FALSE(manager.message_with("READY=1").empty());
    address = program->addresses().at(0);
  }
  void write(const std::string& more) const {
    std::ofstream file(config);
    file << "run-root = \"" << folder.path().string()
         << "\"\nweb.listen-address = \"127.0.0.1:0\"\nstate-file = \"\"\n";
    if (users) file << "web.config.file = \"" << web << "\"\n";
    file << more;
  }
  void write_user(const std::string& password) const {
    std::ofstream(web) << "basic_auth_users:\n  alice: " << bcrypt(password) << "\n";
  }
  // What the manager got at the end of the reload.
  std::string reload() {
    program->stop(SIGHUP);
    const std::string begun = manager.message_with("RELOADING=1");
    CHECK_THAT(begun, Catch::Contains("\nMONOTONIC_USEC="));
    return manager.message_with("READY=1");
  }

  TemporaryDirectory folder;
  bool users;
  std::string web = folder.path() / "web.yml";
  std::string config = folder.path() / "host-probe.conf";
  FakeManager manager;
  std::optional<Program> program;
  std::string address;
};

}  // namespace

TEST_CASE("a reload takes over who may read, and the log level") {
  ReloadFixture test(true);
  CHECK_THAT(http_get(test.address, "/metrics", secret), Catch::Contains(" 200 "));
  test.write_user("other");
  test.write("log.level = \"error\"\n");
  CHECK_THAT(test.reload(), !Catch::Contains("not reloaded"));
  CHECK_THAT(http_get(test.address, "/metrics", secret), Catch::Contains(" 401 "));
  CHECK_THAT(http_get(test.address, "/metrics", other), Catch::Contains(" 200 "));
  test.program->stop(SIGTERM);
  CHECK(test.program->status() == 0);
  CHECK_THAT(test.program->said(), !Catch::Contains("stopping on a signal"));
}

TEST_CASE("a configuration that is wrong is not taken over, not even half of it") {
  ReloadFixture test(true);
  const auto [text, expected] = GENERATE(table<std::string, std::string>({
      {"log.level = \"loud\"\n", "debug, info, warning or error"},
      {"log.level = \"error\"\nnonsense = 3\n", "nonsense"},
      {"log.level = \"error\"\nruntime-endpoint = \"tcp://127.0.0.1\"\n", "unix:///run/containerd"},
  }));
  test.write(text);
  const std::string status = test.reload();
  CHECK_THAT(status, Catch::Contains("Serving http") && Catch::Contains("not reloaded") && Catch::Contains(expected));
  CHECK(test.program->says("configuration not reloaded; keeping the previous one"));
  CHECK_THAT(http_get(test.address, "/metrics", secret), Catch::Contains(" 200 "));
  // Mended, it is taken over.
  test.write("");
  CHECK_THAT(test.reload(), !Catch::Contains("not reloaded"));
  test.program->stop(SIGTERM);
  CHECK(test.program->says("stopping on a signal"));  // at the old log level
}

TEST_CASE("users that cannot be read leave the old ones and the rest as they were") {
  ReloadFixture test(true);
  std::ofstream(test.web) << "basic_auth_users:\n  alice: plain\n";
  test.write("log.level = \"error\"\n");
  CHECK_THAT(test.reload(), Catch::Contains("not a bcrypt hash"));
  CHECK_THAT(http_get(test.address, "/metrics", secret), Catch::Contains(" 200 "));
  std::ofstream(test.web) << "";
  CHECK_THAT(test.reload(), Catch::Contains("would turn authentication off: restart to apply"));
  CHECK_THAT(http_get(test.address, "/metrics"), Catch::Contains(" 401 "));
  test.program->stop(SIGTERM);
  CHECK(test.program->says("stopping on a signal"));  // at the old log level
}

TEST_CASE("users that the web configuration gets are asked for without a restart, and without a signal") {
  ReloadFixture test(true);
  test.write_user("other");
  CHECK_THAT(http_get(test.address, "/metrics", secret), Catch::Contains(" 401 "));
  CHECK_THAT(http_get(test.address, "/metrics", other),
             Catch::Contains(" 200 ") && Catch::Contains("katameter_config_reloads_total{result=\"success\"} 1\n"));
  CHECK(test.program->says("files have changed"));
  // A wrong file keeps the previous one, and is one line in the log until it changes again.
  std::ofstream(test.web) << "basic_auth_users:\n  alice: plain\n";
  CHECK_THAT(http_get(test.address, "/metrics", other), Catch::Contains(" 200 "));
  CHECK_THAT(http_get(test.address, "/metrics", other),
             Catch::Contains("katameter_config_last_reload_successful 0\n") &&
                 Catch::Contains("katameter_config_reloads_total{result=\"failure\"} 1\n"));
}

TEST_CASE("a web configuration that asks for users from a reload on is taken over") {
  ReloadFixture test(false);
  CHECK_THAT(http_get(test.address, "/metrics"), Catch::Contains(" 200 "));
  test.users = true;
  test.write_user("secret");
  test.write("");
  CHECK_THAT(test.reload(), !Catch::Contains("not reloaded"));
  CHECK_THAT(http_get(test.address, "/metrics"), Catch::Contains(" 401 "));
  CHECK_THAT(http_get(test.address, "/metrics", secret), Catch::Contains(" 200 "));
}

TEST_CASE("what takes a restart is logged, and the rest is applied") {
  ReloadFixture test(false);
  std::ofstream(test.config) << "run-root = \"/elsewhere\"\nweb.listen-address = \"127.0.0.1:1\"\n"
                             << "state-file = \"\"\nlog.level = \"warning\"\n";
  CHECK_THAT(test.reload(), !Catch::Contains("not reloaded"));
  CHECK(test.program->says("option=run-root"));
  CHECK(test.program->says("option=web.listen-address"));
  CHECK_THAT(http_get(test.address, "/metrics"), Catch::Contains(" 200 "));
  test.program->stop(SIGTERM);
  CHECK(test.program->status() == 0);
  CHECK_THAT(test.program->said(), !Catch::Contains("stopping on a signal"));
}
