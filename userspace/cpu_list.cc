#include "userspace/cpu_list.h"

#include <fmt/core.h>

#include <charconv>
#include <fstream>
#include <iterator>

namespace katameter {
namespace {

constexpr int numbers = 65536;

// Takes a CPU number off the front of the text; -1 if there is none.
int take_number(std::string_view& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number >= numbers) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

Result<std::vector<int>> parse_cpu_list(std::string_view text) {
  const auto wrong = [whole = text] { return failure(fmt::format("'{}' is not a list of CPUs such as 0-3,8", whole)); };
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<int> cpus;
  while (!text.empty()) {
    const int first = take_number(text);
    int last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      last = take_number(text);
    }
    if (first < 0 || last < first || (!cpus.empty() && first <= cpus.back())) return wrong();
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (text.empty()) break;
    if (!text.starts_with(',') || text.size() == 1) return wrong();
    text.remove_prefix(1);
  }
  return cpus;
}

Result<std::vector<int>> read_cpu_list(const std::string& name) {
  const std::string path = "/sys/devices/system/cpu/" + name;
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file || text.empty()) return failure("cannot read " + path);
  Result<std::vector<int>> cpus = parse_cpu_list(text);
  if (!cpus) return failure_from(cpus.error(), path);
  return cpus;
}

}  // namespace katameter
