#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

// For a guest whose kernel has nothing of packaging/guest-kernel/katameter.conf: named by its tag in CMakeLists.txt.

namespace {

const std::string program = GUEST_PROBE;

std::string output_of(const std::string& command, int& status) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  for (int byte; (byte = fgetc(pipe)) != EOF;) output += static_cast<char>(byte);
  status = WEXITSTATUS(pclose(pipe));
  return output;
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The ids of BPF objects of one kind that are in the kernel.
std::set<unsigned> bpf_ids(bpf_cmd next_id) {
  std::set<unsigned> ids;
  bpf_attr attr{};
  while (syscall(SYS_bpf, next_id, &attr, sizeof(attr)) == 0) {
    ids.insert(attr.next_id);
    attr.start_id = attr.next_id;
  }
  return ids;
}

// What guest-probe could leave behind or change.
struct Traces {
  std::set<unsigned> programs = bpf_ids(BPF_PROG_GET_NEXT_ID);
  std::set<unsigned> maps = bpf_ids(BPF_MAP_GET_NEXT_ID);
  std::string mounts = text_of("/proc/self/mountinfo");
  std::set<std::filesystem::path> files;

  Traces() {
    using Directories = std::filesystem::recursive_directory_iterator;
    for (const char* directory : {"/sys/fs/cgroup", "/sys/fs/bpf", "/run"}) {
      if (!std::filesystem::exists(directory)) continue;
      for (const auto& entry : Directories(directory, std::filesystem::directory_options::skip_permission_denied)) {
        files.insert(entry.path());
      }
    }
  }
};

}  // namespace

TEST_CASE("On a kernel without katameter.conf guest-probe check names its options and no others", "[.no-bpf]") {
  REQUIRE_FALSE(std::filesystem::exists("/sys/kernel/btf/vmlinux"));
  int status = 0;
  const std::string output = output_of(program + " check", status);
  INFO(output);
  CHECK(status == 1);
  CHECK(output.find("nothing works") != std::string::npos);
  std::set<std::string> named;
  for (std::size_t at = 0; (at = output.find("CONFIG_", at)) != std::string::npos;) {
    const std::size_t end = output.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", at);
    named.insert(output.substr(at, end - at));
    at = end;
  }
  CHECK(named == std::set<std::string>{"CONFIG_BPF_SYSCALL", "CONFIG_FTRACE", "CONFIG_UPROBE_EVENTS",
                                       "CONFIG_BPF_EVENTS", "CONFIG_DEBUG_INFO_BTF"});
}

TEST_CASE("On a kernel without katameter.conf guest-probe run says why, ends, and leaves nothing behind", "[.no-bpf]") {
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.burn_cpu_ms(10);
  const Traces before;
  for (const std::string& command :
       {program + " run --listen unix:/run/katameter-no-bpf", program + " run", program + " check"}) {
    INFO(command);
    int status = 0;
    const std::string output = output_of("timeout 60 " + command, status);
    INFO(output);
    CHECK(status == (command.ends_with(" check") ? 1 : 4));
    CHECK(output.find("CONFIG_BPF_EVENTS") != std::string::npos);
  }
  const Traces after;
  CHECK(after.programs == before.programs);
  CHECK(after.maps == before.maps);
  CHECK(after.mounts == before.mounts);
  for (const auto& file : after.files) {
    INFO(file);
    CHECK(before.files.count(file) == 1);
  }

  // Nobody was hurt: the container goes on, and the kernel had no complaint.
  workload.burn_cpu_ms(10);
  CHECK(cgroup.read("cpuacct", "cpuacct.usage") >= 20'000'000);
  CHECK(text_of("/proc/sys/kernel/tainted") == "0\n");
}
