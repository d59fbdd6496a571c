#include "host-probe/metrics/text_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

namespace katameter::host {
namespace {

// A quarter of a CPU's second-level cache: what is sent is still in it, and what the series are made from, too.
constexpr std::size_t buffer_bytes = std::size_t{64} * 1024;
constexpr std::size_t max_number_bytes = 32;

void append_escaped(std::string& text, std::string_view value) {
  const auto has = [&](char c) { return value.find(c) != std::string_view::npos; };
  if (!has('\\') && !has('"') && !has('\n')) {  // fast path: memchr is vectorised
    text.append(value);
    return;
  }
  for (const char c : value) {
    if (c == '\\' || c == '"' || c == '\n') text += '\\';
    text += c == '\n' ? 'n' : c;
  }
}

}  // namespace

void Labels::push_back(const Label& label) {
  if (!text_.empty()) text_ += ',';
  text_.append(label.name).append("=\"");
  append_escaped(text_, label.value);
  text_ += '"';
}

TextWriter::TextWriter(Send send) : send_(std::move(send)), buffer_(buffer_bytes) {}

void TextWriter::make_room(std::size_t bytes) {
  if (buffer_.size() - used_ >= bytes) return;
  finish();
  if (buffer_.size() < bytes) buffer_.resize(bytes);
}

void TextWriter::put(std::string_view text) {
  std::memcpy(buffer_.data() + used_, text.data(), text.size());
  used_ += text.size();
}

// The shortest text that reads back as the same number; whole numbers without an exponent.
void TextWriter::put(double value) {
  if (std::isnan(value)) return put("NaN");
  if (std::isinf(value)) return put(value > 0 ? "+Inf" : "-Inf");
  char* const begin = buffer_.data() + used_;
  constexpr double exact = 9007199254740992.0;  // 2^53: up to it a double holds every whole number
  const bool whole = std::abs(value) < exact && value == std::trunc(value);
  const auto written = whole ? std::to_chars(begin, begin + max_number_bytes, static_cast<std::int64_t>(value))
                             : std::to_chars(begin, begin + max_number_bytes, value);
  used_ += static_cast<std::size_t>(written.ptr - begin);
}

void TextWriter::begin(const Descriptor& metric) {
  metric_ = &metric;
  constexpr std::size_t besides = 40;  // the two keywords, the type, blanks and ends of lines
  make_room(2 * metric.name.size() + metric.help.size() + besides);
  for (const std::string_view text : {std::string_view("# HELP "), metric.name, std::string_view(" "), metric.help,
                                      std::string_view("\n# TYPE "), metric.name}) {
    put(text);
  }
  put(metric.type == prometheus::MetricType::Counter ? " counter\n" : " gauge\n");
}

void TextWriter::add(const Descriptor& metric, const Labels& labels, const Labels& further, double value) {
  if (&metric != metric_) begin(metric);
  constexpr std::size_t besides = 5;  // braces, comma, blank, end of line
  make_room(metric.name.size() + labels.text().size() + further.text().size() + max_number_bytes + besides);
  put(metric.name);
  if (!labels.text().empty() || !further.text().empty()) {
    put("{");
    put(labels.text());
    if (!labels.text().empty() && !further.text().empty()) put(",");
    put(further.text());
    put("}");
  }
  put(" ");
  put(value);
  put("\n");
}

void TextWriter::finish() {
  if (used_ > 0) send_({buffer_.data(), used_});
  used_ = 0;
}

}  // namespace katameter::host
