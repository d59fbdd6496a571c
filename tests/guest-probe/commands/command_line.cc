#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/support/temporary_directory.h"

using katameter::testing::TemporaryDirectory;

namespace {

struct Outcome {
  int status = -1;
  std::string output;  // stdout and stderr
};

Outcome run(const std::string& arguments) {
  Outcome outcome;
  std::string command = GUEST_PROBE;
  command.append(" ").append(arguments).append(" 2>&1");
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> bytes{};
  for (std::size_t size; (size = fread(bytes.data(), 1, bytes.size(), pipe)) > 0;) {
    outcome.output.append(bytes.data(), size);
  }
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

void check_one_line(const Outcome& outcome, int status, const std::string& says) {
  INFO(outcome.output);
  CHECK(outcome.status == status);
  CHECK(std::count(outcome.output.begin(), outcome.output.end(), '\n') == 1);
  CHECK(outcome.output.find(says) != std::string::npos);
}

}  // namespace

TEST_CASE("Wrong usage is one line with status 2 that says where to read on") {
  check_one_line(run("--no-such-flag"), 2, "--no-such-flag");
  check_one_line(run("--no-such-flag"), 2, "guest-probe --help");
  check_one_line(run("dance"), 2, "dance");
  check_one_line(run("dump --format yaml"), 2, "yaml");
  check_one_line(run("--log.level loud check"), 2, "use debug, info, warning or error");
  check_one_line(run("--max-containers 0"), 2, "max-containers");
  check_one_line(run("--max-containers 100000"), 2, "max-containers");
}

TEST_CASE("A configuration that cannot be read is named") {
  check_one_line(run("--config /no/such/file"), 2, "/no/such/file");
  const TemporaryDirectory dir;
  std::ofstream((dir.path() / "bad.conf").string()) << "no-such-option = 1\n";
  check_one_line(run("--config " + (dir.path() / "bad.conf").string()), 2, "no-such-option");
}

TEST_CASE("A configuration names options as the command line does") {
  const TemporaryDirectory dir;
  std::ofstream((dir.path() / "good.conf").string()) << "log.level = \"debug\"\nmax-containers = 7\n";
  check_one_line(run("--config " + (dir.path() / "good.conf").string() + " run --listen tcp:80"), 2,
                 "use vsock:PORT or unix:PATH");
}

TEST_CASE("An invalid address is reported") {
  // Needs no privilege: the address is looked at before anything is loaded.
  check_one_line(run("run --listen tcp:80"), 2, "use vsock:PORT or unix:PATH");
}

TEST_CASE("What may change with time has a status of its own") {
  // Nothing can be made there.
  check_one_line(run("run --listen unix:/proc/katameter.sock"), 1, "cannot listen");
}

TEST_CASE("Help and version are asked for and succeed") {
  const Outcome help = run("--help");
  CHECK(help.status == 0);
  CHECK(help.output.find("dump") != std::string::npos);
  const Outcome version = run("--version");
  CHECK(version.status == 0);
  CHECK(version.output.find("guest-probe") == 0);
}
