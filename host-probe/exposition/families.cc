#include "host-probe/exposition/families.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace katameter {
namespace {

void append_escaped(std::string& text, std::string_view value) {
  std::size_t written = 0;  // what needs no escape is appended at once, mostly all of it
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c != '\\' && c != '"' && c != '\n') continue;
    text.append(value, written, i - written).append(1, '\\').append(1, c == '\n' ? 'n' : c);
    written = i + 1;
  }
  text.append(value, written);
}

// The shortest text that reads back as the same number; whole numbers without an exponent.
void append_number(std::string& text, double value) {
  if (std::isnan(value)) {
    text += "NaN";
  } else if (std::isinf(value)) {
    text += value > 0 ? "+Inf" : "-Inf";
  } else {
    std::array<char, 32> digits;
    char* const begin = digits.data();
    constexpr double exact = 9007199254740992.0;  // 2^53: up to it a double holds every whole number
    const bool whole = std::abs(value) < exact && value == std::trunc(value);
    const auto written = whole ? std::to_chars(begin, begin + digits.size(), static_cast<std::int64_t>(value))
                               : std::to_chars(begin, begin + digits.size(), value);
    text.append(begin, written.ptr);
  }
}

}  // namespace

void Labels::push_back(const Label& label) {
  if (!text_.empty()) text_ += ',';
  text_.append(label.name).append("=\"");
  append_escaped(text_, label.value);
  text_ += '"';
}

std::string& Families::with_room(Exposition& family, std::size_t bytes) {
  if (family.empty()) return family.emplace_back();
  std::string& last = family.back();
  const std::size_t size = last.size() + bytes;
  if (size <= last.capacity()) return last;
  // The first pieces grow as strings do: most families of a small node have a few lines.
  if (size <= piece_bytes) return last;
  std::string& next = family.emplace_back();
  next.reserve(std::max(bytes, piece_bytes));
  return next;
}

Exposition Families::take() && {
  Exposition pieces;
  for (Exposition& family : families_) std::ranges::move(family, std::back_inserter(pieces));
  return pieces;
}

std::size_t Families::position_of(const Descriptor& descriptor) {
  const auto known = positions_.find(&descriptor);
  if (known != positions_.end()) return known->second;
  const auto [position, is_new] = by_name_.try_emplace(descriptor.name, families_.size());
  if (is_new) {
    std::string& family = with_room(families_.emplace_back(), 0);
    family.append("# HELP ").append(descriptor.name).append(" ").append(descriptor.help);
    family.append("\n# TYPE ").append(descriptor.name);
    family.append(descriptor.type == prometheus::MetricType::Counter ? " counter\n" : " gauge\n");
  }
  positions_.emplace(&descriptor, position->second);
  return position->second;
}

void Families::add(const Descriptor& descriptor, const Labels& labels, double value) {
  constexpr std::size_t besides = 40;  // braces, blank, number, end of line
  std::string& family =
      with_room(families_[position_of(descriptor)], descriptor.name.size() + labels.text().size() + besides);
  family.append(descriptor.name);
  if (!labels.text().empty()) family.append("{").append(labels.text()).append("}");
  family += ' ';
  append_number(family, value);
  family += '\n';
}

}  // namespace katameter
