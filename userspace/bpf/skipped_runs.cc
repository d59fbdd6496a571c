#include "userspace/bpf/skipped_runs.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <string>

namespace katameter {

std::optional<std::uint64_t> parse_misses(std::string_view fdinfo) {
  constexpr std::string_view key = "recursion_misses:\t";
  const std::size_t start = fdinfo.find(key);
  if (start == std::string_view::npos) return std::nullopt;
  const std::string_view rest = fdinfo.substr(start + key.size());
  std::uint64_t misses = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), misses);
  if (error != std::errc()) return std::nullopt;
  return misses;
}

Status SkippedRuns::add(Hook hook, int program) {
  Result<Fd> kept = Fd::duplicate(program);
  if (!kept) return failure_from(kept.error());
  const std::string path = "/proc/self/fdinfo/" + std::to_string(kept->get());
  Fd fdinfo(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fdinfo) return system_failure("cannot open " + path);
  programs_.push_back({hook, *std::move(kept), std::move(fdinfo)});
  return {};
}

std::optional<std::uint64_t> SkippedRuns::of(Hook hook) const {
  std::optional<std::uint64_t> sum;
  for (const Counted& counted : programs_) {
    if (counted.hook != hook) continue;
    std::array<char, 512> text{};
    const ssize_t size = pread(counted.fdinfo.get(), text.data(), text.size(), 0);
    const auto misses = parse_misses({text.data(), size < 0 ? 0 : static_cast<std::size_t>(size)});
    if (!misses) return std::nullopt;
    sum = sum.value_or(0) + *misses;
  }
  return sum;
}

}  // namespace katameter
