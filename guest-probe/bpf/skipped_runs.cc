#include "guest-probe/bpf/skipped_runs.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>

namespace katameter::guest {

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
  // A kernel that does not count will not later.
  if (const auto misses = read(fdinfo)) {
    programs_.push_back({hook, *std::move(kept), std::move(fdinfo), *misses});
  }
  return {};
}

std::optional<std::uint64_t> SkippedRuns::read(const Fd& fdinfo) {
  std::array<char, 512> text{};
  const ssize_t size = pread(fdinfo.get(), text.data(), text.size(), 0);
  return parse_misses({text.data(), size < 0 ? 0 : static_cast<std::size_t>(size)});
}

void SkippedRuns::refresh() {
  if (programs_.empty() || ++collects_ % collects_between != 0) return;
  Counted& program = programs_[collects_ / collects_between % programs_.size()];
  program.misses = read(program.fdinfo).value_or(program.misses);
}

std::optional<std::uint64_t> SkippedRuns::of(Hook hook) const {
  std::optional<std::uint64_t> sum;
  for (const Counted& program : programs_) {
    if (program.hook == hook) sum = sum.value_or(0) + program.misses;
  }
  return sum;
}

}  // namespace katameter::guest
