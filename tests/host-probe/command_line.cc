#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/host-probe/support/temporary_directory.h"
#include "userspace/fd.h"

using katameter::Fd;
using katameter::testing::TemporaryDirectory;

namespace {

// The program as a child; stdout and stderr come through one pipe.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    output_ = Fd(ends[0]);
    const Fd write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
    arguments.insert(arguments.begin(), HOST_PROBE_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int spawned = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(spawned == 0);
  }
  ~Program() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  /// Reads on until the output holds `text`; false if it ends or stays silent for 10 s before.
  bool says(const std::string& text) {
    while (said_.find(text) == std::string::npos) {
      pollfd wait{output_.get(), POLLIN, 0};
      char buffer[4096];
      if (poll(&wait, 1, 10'000) <= 0) return false;
      const ssize_t got = read(output_.get(), buffer, sizeof buffer);
      if (got <= 0) return false;
      said_.append(buffer, static_cast<std::size_t>(got));
    }
    return true;
  }
  void stop(int signal) { kill(pid_, signal); }
  int status() {
    static_cast<void>(says("\x01 never said"));
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  const std::string& said() const { return said_; }

 private:
  pid_t pid_ = -1;
  Fd output_;
  std::string said_;
};

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

std::string scrape(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  REQUIRE(write(socket.get(), request.data(), request.size()) == static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got; (got = read(socket.get(), buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  return answer;
}

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
      {{"--web.listen-address", "localhost:9717"}, "give IP:PORT"},
      {{"--web.listen-address", "127.0.0.1"}, "give IP:PORT"},
      {{"--web.listen-address", "127.0.0.1:65536"}, "give IP:PORT"},
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
  CHECK(version.said() == std::string("host-probe ") + KATAMETER_VERSION + "\n");
  Program help({"--help"});
  CHECK(help.status() == 0);
  for (const char* flag : {"--run-root", "--web.listen-address", "--log.level", "--config", "run"}) {
    CHECK_THAT(help.said(), Catch::Contains(flag));
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
  const std::size_t at = program.said().find("http://") + std::strlen("http://");
  const std::string address = program.said().substr(at, program.said().find("/metrics") - at);
  const std::string answer = scrape(address);
  CHECK_THAT(answer, Catch::Contains("200 OK") && Catch::Contains("katameter_sandboxes 0") &&
                         Catch::Contains("katameter_scrape_collect_success 1"));
  program.stop(signal);
  CHECK(program.status() == 0);
}
