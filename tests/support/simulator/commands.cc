#include "tests/support/simulator/commands.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <optional>

namespace katameter::simulator {
namespace {

std::optional<std::uint64_t> number_after(std::string_view line, std::string_view word) {
  if (!line.starts_with(word)) return std::nullopt;
  line.remove_prefix(word.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc() || end != line.data() + line.size()) return std::nullopt;
  return number;
}

std::string answer_of(const Status& status) {
  return status ? "ok" : "error: " + status.error().text;
}

}  // namespace

std::string carry_out(std::string_view line, Fleet& fleet) {
  if (const auto count = number_after(line, "add ")) {
    return answer_of(fleet.add(*count));
  }
  if (const std::size_t space = line.rfind(' '); line.starts_with("boot ") && space > 4) {
    const auto count = number_after(line.substr(0, space), "boot ");
    const auto boot = number_after(line.substr(space), " ");
    if (count && boot) return answer_of(fleet.add(*count, std::chrono::milliseconds(*boot)));
  }
  if (const auto count = number_after(line, "remove ")) {
    fleet.remove(*count);
    return "ok";
  }
  if (line == "count") {
    const Fleet::Counts counts = fleet.counts();
    return fmt::format("guests {} connected {} collects {} {}", counts.guests, counts.connected, counts.fewest_collects,
                       counts.max_collects);
  }
  return fmt::format("error: '{}' is none of: add N, boot N MS, remove N, count", line);
}

}  // namespace katameter::simulator
