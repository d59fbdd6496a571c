#include <sys/wait.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "tests/vm/daemon.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// Runs a command of the shell; its exit status and last line.
std::pair<int, std::string> run_command(const std::string& command) {
  end_shared_daemon();  // two of them would meet
  FILE* pipe = popen(("( " + command + " ) 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> bytes{};
  for (std::size_t size; (size = fread(bytes.data(), 1, bytes.size(), pipe)) > 0;) output.append(bytes.data(), size);
  return {WEXITSTATUS(pclose(pipe)), output};
}

const std::string probe = GUEST_PROBE;

}  // namespace

// Statuses of docs/troubleshooting.md: 4 where another try would end the same.
TEST_CASE("Without privilege guest-probe says what it needs") {
  // Where everybody may write: /tmp is this machine's below, which may refuse it.
  const auto [status, output] =
      run_command("mkdir -p -m 777 /run/katameter-unprivileged && setpriv --reuid 65534 --regid 65534 --clear-groups " +
                  probe + " run --listen unix:/run/katameter-unprivileged/socket");
  INFO(output);
  CHECK(status == 4);
  CHECK(output.find("CAP_BPF") != std::string::npos);
  CHECK(run_command("setpriv --reuid 65534 --regid 65534 --clear-groups " + probe + " check").first == 1);
}

TEST_CASE("Without BTF guest-probe names the option that brings it") {
  // The kernel's BTF hidden behind an empty folder is what a kernel without CONFIG_DEBUG_INFO_BTF looks like.
  const auto [status, output] = run_command("unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && " + probe +
                                            " run --listen unix:/tmp/katameter-no-btf'");
  INFO(output);
  CHECK(status == 4);
  CHECK(output.find("CONFIG_DEBUG_INFO_BTF") != std::string::npos);
  CHECK(run_command("unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && " + probe + " check'").first == 1);
}

TEST_CASE("A vsock port in use is reported, and the first guest-probe is not disturbed") {
  const auto [status, output] =
      run_command("modprobe vsock_loopback; " + probe + " run --listen vsock:4711 & sleep 4; " + probe +
                  " run --listen vsock:4711; status=$?; kill $!; wait; exit $status");
  INFO(output);
  CHECK(status == 1);
  CHECK(output.find("is ready") != std::string::npos);
  CHECK(output.find("running already") != std::string::npos);
}

// What is locked cannot be unlocked: in a guest of its own.
TEST_CASE("In a kernel that is locked down guest-probe says so in a line", "[.][lockdown]") {
  REQUIRE(run_command("test -e /sys/kernel/security/lockdown || mount -t securityfs none /sys/kernel/security; "
                      "echo confidentiality >/sys/kernel/security/lockdown")
              .first == 0);
  const auto [status, output] = run_command(probe + " check");
  INFO(output);
  CHECK(status == 1);
  CHECK(output.find("BPF programs                NOT FOUND") != std::string::npos);
  CHECK(output.find("/sys/kernel/security/lockdown") != std::string::npos);
  const auto [ended, words] = run_command(probe + " run --listen unix:/tmp/katameter-locked-down");
  INFO(words);
  CHECK(ended == 4);
  CHECK(words.find("lockdown=confidentiality") != std::string::npos);
}
