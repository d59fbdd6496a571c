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

}  // namespace

std::string carry_out(std::string_view line, Fleet& fleet) {
  if (const auto count = number_after(line, "add ")) {
    const Status added = fleet.add(*count);
    return added ? "ok" : "error: " + added.error().text;
  }
  if (const auto count = number_after(line, "remove ")) {
    fleet.remove(*count);
    return "ok";
  }
  if (line == "count") {
    const Fleet::Counts counts = fleet.counts();
    return fmt::format("guests {} connected {} collects {} {}", counts.guests, counts.connected, counts.fewest_collects,
                       counts.most_collects);
  }
  return fmt::format("error: '{}' is none of: add N, remove N, count", line);
}

}  // namespace katameter::simulator
