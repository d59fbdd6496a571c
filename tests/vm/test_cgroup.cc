#include "tests/vm/test_cgroup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "guest-probe/bpf/cgroup_mounts.h"

namespace katameter::guest {
namespace {

const CgroupMounts& cgroup_mounts() {
  // Asserted once: a test's other threads ask for paths too, and Catch2's assertions are for one thread.
  static const CgroupMounts mounts = [] {
    Result<CgroupMounts> read = read_cgroup_mounts();
    REQUIRE(read);
    return *std::move(read);
  }();
  return mounts;
}

const std::string& mount_of(const std::string& controller) {
  const CgroupMounts& mounts = cgroup_mounts();
  const auto found = mounts.v1.find(controller);
  if (found != mounts.v1.end()) return found->second;
  if (mounts.v2.empty()) FAIL("this guest has no cgroup hierarchy with " << controller);
  return mounts.v2;
}

// In v2 a cgroup has the controllers that its parent passes on.
void pass_on_controllers(const std::filesystem::path& cgroup) {
  if (!std::filesystem::exists(cgroup / "cgroup.subtree_control")) return;
  std::string available;
  std::ifstream there(cgroup / "cgroup.controllers");
  std::getline(there, available);
  for (const std::string_view controller : {"+cpu", "+memory", "+pids", "+io", "+hugetlb", "+cpuset"}) {
    // Not every kernel has these.
    const bool optional = controller == "+hugetlb" || controller == "+cpuset";
    if (optional && available.find(controller.substr(1)) == std::string::npos) continue;
    std::ofstream out(cgroup / "cgroup.subtree_control");
    out << controller << std::flush;
    INFO("passing on " << controller << " from " << cgroup);
    REQUIRE(out);
  }
}

void make_cgroup(const std::string& mount, const std::string& path, std::size_t levels_passing_on) {
  std::filesystem::path cgroup(mount);
  // v1: without CPUs of its own a cpuset takes no process; this gives it its parent's.
  if (std::filesystem::exists(cgroup / "cgroup.clone_children")) {
    std::ofstream(cgroup / "cgroup.clone_children") << "1";
  }
  for (const auto& component : std::filesystem::path(path).relative_path()) {
    if (levels_passing_on > 0) {
      --levels_passing_on;
      pass_on_controllers(cgroup);
    }
    cgroup /= component;
    std::filesystem::create_directory(cgroup);
  }
}

}  // namespace

const std::vector<std::string>& TestCgroup::controllers() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> found{"cpuacct", "cpu", "memory", "pids", "blkio"};
    const CgroupMounts& mounts = cgroup_mounts();
    for (const char* optional : {"hugetlb", "cpuset"}) {
      if (!mounts.v2.empty() || mounts.v1.contains(optional)) found.emplace_back(optional);
    }
    return found;
  }();
  return all;
}

TestCgroup::TestCgroup(char digit, const std::string& below, Inside inside)
    : id_(64, digit), path_("/cri-containerd/" + id_ + below) {
  // The root and /cri-containerd hold no processes that would mind.
  const std::size_t levels = inside == Inside::with_controllers ? 3 : 2;
  for (const std::string& controller : controllers()) make_cgroup(mount_of(controller), path_, levels);
}

TestCgroup::TestCgroup(std::string id, std::string path) : id_(std::move(id)), path_(std::move(path)) {
  const auto levels = static_cast<std::size_t>(std::count(path_.begin(), path_.end(), '/'));
  for (const std::string& controller : controllers()) make_cgroup(mount_of(controller), path_, levels);
}

std::string TestCgroup::file_path(const std::string& controller, const std::string& file) const {
  return mount_of(controller) + path_ + "/" + file;
}

void TestCgroup::write(const std::string& controller, const std::string& file, const std::string& text) const {
  std::ofstream out(file_path(controller, file));
  out << text << std::flush;
  INFO("writing " << text << " to " << file_path(controller, file));
  REQUIRE(out);
}

std::uint64_t TestCgroup::read(const std::string& controller, const std::string& file) const {
  std::ifstream in(file_path(controller, file));
  std::uint64_t value = 0;
  INFO("reading " << file_path(controller, file));
  REQUIRE(in >> value);
  return value;
}

bool TestCgroup::has(const std::string& controller, const std::string& file) const {
  return std::filesystem::exists(file_path(controller, file));
}

std::map<std::string, std::uint64_t> TestCgroup::read_table(const std::string& controller,
                                                            const std::string& file) const {
  std::ifstream in(file_path(controller, file));
  std::map<std::string, std::uint64_t> table;
  std::string key;
  std::uint64_t value = 0;
  while (in >> key >> value) table[key] = value;
  REQUIRE_FALSE(table.empty());
  return table;
}

void TestCgroup::remove() {
  if (removed_) return;
  removed_ = true;
  for (const std::string& controller : controllers()) {
    const std::string directory = mount_of(controller) + path_;
    bool gone = !std::filesystem::exists(directory);  // in v2 it is the same directory each time
    for (int attempt = 0; attempt < 2000 && !gone; ++attempt) {
      gone = rmdir(directory.c_str()) == 0 || errno == ENOENT;  // one directory for several controllers
      if (!gone) usleep(1000);
    }
    CHECK(gone);
  }
}

}  // namespace katameter::guest
