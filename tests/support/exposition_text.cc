#include "tests/support/exposition_text.h"

#include <cstdlib>
#include <optional>

namespace katameter {
namespace {

// Takes a label's value up to its closing quote off `line`.
std::optional<std::string> take_value(std::string_view& line) {
  std::string value;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') {
      line.remove_prefix(i + 1);
      return value;
    }
    if (line[i] != '\\') {
      value += line[i];
      continue;
    }
    if (++i == line.size()) break;
    value += line[i] == 'n' ? '\n' : line[i];
  }
  return std::nullopt;
}

// Takes {name="value",...} off `line`.
bool take_labels(std::string_view& line, TextSeries& series) {
  line.remove_prefix(1);
  while (!line.empty() && line[0] != '}') {
    const std::size_t end = line.find("=\"");
    if (end == std::string_view::npos) return false;
    const std::string name(line.substr(0, end));
    line.remove_prefix(end + 2);
    auto value = take_value(line);
    if (!value) return false;
    series.labels.emplace(name, *std::move(value));
    if (!line.empty() && line[0] == ',') line.remove_prefix(1);
  }
  if (line.empty()) return false;
  line.remove_prefix(1);
  return true;
}

bool parse_line(std::string_view line, TextSeries& series) {
  const std::size_t end = line.find_first_of("{ ");
  if (end == 0 || end == std::string_view::npos) return false;
  series.name = line.substr(0, end);
  line.remove_prefix(end);
  if (line[0] == '{' && !take_labels(line, series)) return false;
  if (line.empty() || line[0] != ' ') return false;
  const std::string number(line.substr(1));
  char* rest = nullptr;
  series.value = std::strtod(number.c_str(), &rest);
  return rest != number.c_str() && (*rest == '\0' || *rest == ' ');
}

}  // namespace

const std::string& TextSeries::label(std::string_view of) const {
  static const std::string none;
  const auto found = labels.find(of);
  return found == labels.end() ? none : found->second;
}

Result<std::vector<TextSeries>> parse_exposition(std::string_view text) {
  std::vector<TextSeries> all;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line[0] == '#') continue;
    if (!parse_line(line, all.emplace_back())) return failure("line " + std::to_string(number) + " is not a series");
  }
  return all;
}

}  // namespace katameter
