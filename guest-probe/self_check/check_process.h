#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace katameter::guest {

/// How the directory of a CheckCgroup begins; the process's id follows.
inline constexpr std::string_view check_cgroup_prefix = "katameter-check-";

/// A directory of a CheckCgroup, as the process that is to make it has to know it.
struct CheckPlace {
  std::string controller;  ///< as in /proc/self/cgroup
  std::string mount;       ///< empty: left out
};

inline constexpr std::size_t check_places = 4;

/// What the process says when it is in its cgroup, or cannot be.
struct CheckReport {
  enum Outcome : int { in_cgroup, no_directory, not_joined };
  enum Where : char { left_out, at_the_top, beside_own };
  Outcome outcome = in_cgroup;
  int code = 0;    ///< errno of what failed
  int failed = 0;  ///< which place it was
  std::array<Where, check_places> where{};
};

/// The life of a CheckCgroup's process: removes what earlier ones have left, makes the cgroup, uses something in it,
/// writes a CheckReport to `ready`, waits until `alive` is closed at the other end, and removes the cgroup.
[[noreturn]] void run_check_process(const std::array<CheckPlace, check_places>& places, int ready, int alive);

/// Where place `place` is made, as the report says; `process`: the one that was to make it.
std::string check_directory(const CheckPlace& place, CheckReport::Where where, pid_t process);

/// Which of these names in a folder are cgroups of a CheckCgroup whose process is gone. `is_alive`: whether there is a
/// process of that id. Pure.
std::vector<std::string> leftovers(const std::vector<std::string>& names, bool (*is_alive)(pid_t));

}  // namespace katameter::guest
