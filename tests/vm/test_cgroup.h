#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace katameter::guest {

/// A container's cgroups in the guest, as the Kata agent makes them: <path> in the cpu,cpuacct, memory, pids, blkio,
/// hugetlb and cpuset hierarchies of cgroup v1, or in the one of v2. Any failure ends the test.
class TestCgroup {
 public:
  enum class Inside { without_controllers, with_controllers };

  /// `digit` names it: /cri-containerd/<64 times digit>; `below` adds a cgroup inside ("/nested"). In v2 that one has
  /// controllers of its own only on request, because then the container's own cgroup may hold no process.
  explicit TestCgroup(char digit, const std::string& below = "", Inside inside = Inside::without_controllers);
  /// At any path, which has the id in it somewhere. What is above it stays when it is removed.
  TestCgroup(std::string id, std::string path);
  TestCgroup(const TestCgroup&) = delete;
  TestCgroup& operator=(const TestCgroup&) = delete;
  ~TestCgroup() { remove(); }

  /// The controllers in whose hierarchies it is; hugetlb and cpuset only where this kernel has them.
  static const std::vector<std::string>& controllers();

  const std::string& id() const { return id_; }
  const std::string& path() const { return path_; }

  void write(const std::string& controller, const std::string& file, const std::string& text) const;
  std::uint64_t read(const std::string& controller, const std::string& file) const;
  /// Whether this kernel has a file.
  bool has(const std::string& controller, const std::string& file) const;
  /// A file of "key value" lines.
  std::map<std::string, std::uint64_t> read_table(const std::string& controller, const std::string& file) const;
  std::string file_path(const std::string& controller, const std::string& file) const;
  /// Removes the directories; waits for the last process to have left.
  void remove();

 private:
  std::string id_;
  std::string path_;
  bool removed_ = false;
};

}  // namespace katameter::guest
