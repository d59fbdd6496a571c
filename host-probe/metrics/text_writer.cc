#include "host-probe/metrics/text_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

namespace katameter::host {
namespace {

// A quarter of a CPU's second-level cache: what is sent is still in it, and what the series are made from, too.
constexpr std::size_t buffer_bytes = std::size_t{64} * 1024;
constexpr std::size_t max_number_bytes = 32;

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"' || c == '\n') text += '\\';
    text += c == '\n' ? 'n' : c;
  }
  return text;
}

char* append(char* to, std::string_view text) {
  return to + text.copy(to, text.size());
}

char* append_whole(char* to, std::uint64_t value) {
  return std::to_chars(to, to + max_number_bytes, value).ptr;
}

// Times have nine decimals. Below 2^23 such numbers are further apart than doubles are. So a number of nine decimals is
// the only one of its double, and without its last zeros it is the shortest text. From 0.0001 on, if it has more than one
// digit, the shortest text has no exponent.
char* append_billionths(char* to, double value) {
  constexpr double min = 1e-4;
  constexpr double max = 8388608;
  constexpr std::uint64_t billion = 1'000'000'000;
  if (!(value >= min && value < max)) return to;
  constexpr double half = 0.5;
  const auto billionths = static_cast<std::uint64_t>(value * 1e9 + half);
  if (static_cast<double>(billionths) / 1e9 != value) return to;
  if (billionths < billion / 1000 && billionths % (billion / 10'000) == 0) return to;
  char* const point = append_whole(to, billionths / billion);
  char* end = append_whole(point, billion + billionths % billion);  // with the zeros that it begins with
  *point = '.';
  while (end[-1] == '0') --end;
  return end;
}

// The shortest text that reads back as the same number; whole numbers without an exponent.
char* append(char* to, double value) {
  constexpr double exact = 9007199254740992.0;  // 2^53: up to it a double holds every whole number
  const double size = std::abs(value);
  if (size < exact && static_cast<double>(static_cast<std::int64_t>(size)) == size) {
    if (value < 0) *to++ = '-';
    return append_whole(to, static_cast<std::uint64_t>(size));
  }
  if (char* const end = append_billionths(to, value); end != to) return end;
  if (std::isnan(value)) return append(to, "NaN");
  if (std::isinf(value)) return append(to, value > 0 ? "+Inf" : "-Inf");
  return std::to_chars(to, to + max_number_bytes, value).ptr;
}

void append_label(std::string& text, std::string_view name, std::string_view value) {
  const std::size_t begin = text.size();
  constexpr std::size_t besides = 3;  // equals sign, quotes
  text.resize(begin + (begin > 0 ? 1 : 0) + name.size() + value.size() + besides);
  char* to = text.data() + begin;
  if (begin > 0) *to++ = ',';
  to = append(append(append(to, name), "=\""), value);
  *to = '"';
}

}  // namespace

Labels::Labels(std::initializer_list<Label> labels) {
  constexpr std::size_t besides = 4;  // comma, equals sign, quotes
  std::size_t bytes = 0;
  for (const Label& label : labels) bytes += label.name.size() + label.value.size() + besides;
  text_.reserve(bytes);
  for (const Label& label : labels) push_back(label);
}

void Labels::push_back(const Label& label) {
  const auto has = [&](char c) { return label.value.find(c) != std::string_view::npos; };  // vectorised
  if (has('\\') || has('"') || has('\n')) return append_label(text_, label.name, escaped(label.value));
  append_label(text_, label.name, label.value);
}

TextWriter::TextWriter(Send send) : send_(std::move(send)), buffer_(buffer_bytes) {}

void TextWriter::make_room(std::size_t bytes) {
  if (buffer_.size() - used_ >= bytes) return;
  finish();
  if (buffer_.size() < bytes) buffer_.resize(bytes);
}

void TextWriter::begin(const Descriptor& metric) {
  metric_ = &metric;
  constexpr std::size_t besides = 40;  // the two keywords, the type, blanks and ends of lines
  make_room(2 * metric.name.size() + metric.help.size() + besides);
  char* to = buffer_.data() + used_;
  for (const std::string_view text : {std::string_view("# HELP "), metric.name, std::string_view(" "), metric.help,
                                      std::string_view("\n# TYPE "), metric.name}) {
    to = append(to, text);
  }
  *to++ = ' ';
  to = append(to, type_name(metric.type));
  *to++ = '\n';
  used_ = static_cast<std::size_t>(to - buffer_.data());
}

void TextWriter::add(const Descriptor& metric, const Labels& labels, const Labels& further, double value,
                     std::string_view suffix) {
  if (&metric != metric_) begin(metric);
  const std::string& first = labels.text();
  const std::string& second = further.text();
  constexpr std::size_t besides = 5;  // braces, comma, blank, end of line
  make_room(metric.name.size() + suffix.size() + first.size() + second.size() + max_number_bytes + besides);
  char* to = append(append(buffer_.data() + used_, metric.name), suffix);
  if (!first.empty() || !second.empty()) {
    *to++ = '{';
    to = append(to, first);
    if (!first.empty() && !second.empty()) *to++ = ',';
    to = append(to, second);
    *to++ = '}';
  }
  *to++ = ' ';
  to = append(to, value);
  *to++ = '\n';
  used_ = static_cast<std::size_t>(to - buffer_.data());
}

void TextWriter::finish() {
  if (used_ > 0) send_({buffer_.data(), used_});
  used_ = 0;
}

}  // namespace katameter::host
