#include "host-probe/metrics/text_writer.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/support/exposition_text.h"

using namespace katameter;
using namespace katameter::host;

namespace {

constexpr Descriptor one{"one_total", "The first.", prometheus::MetricType::Counter};
constexpr Descriptor other{"other", "The second.", prometheus::MetricType::Gauge};
constexpr Descriptor histogram{"times", "The third.", prometheus::MetricType::Histogram};

template <typename Add>
std::string text_of(const Add& add) {
  std::string text;
  TextWriter writer([&](std::string_view part) { text += part; });
  add(writer);
  writer.finish();
  return text;
}

}  // namespace

TEST_CASE("a metric is introduced once, before its series") {
  const std::string text = text_of([](TextWriter& writer) {
    writer.add(one, {{"a", "x"}}, 1);
    writer.add(one, {{"a", "x"}}, {{"b", "y"}}, 2);
    writer.add(one, {}, {{"b", "z"}}, 3);
    writer.add(other, {}, 0.5);
  });
  CHECK(text ==
        "# HELP one_total The first.\n# TYPE one_total counter\n"
        "one_total{a=\"x\"} 1\none_total{a=\"x\",b=\"y\"} 2\none_total{b=\"z\"} 3\n"
        "# HELP other The second.\n# TYPE other gauge\nother 0.5\n");
}

TEST_CASE("the series of a histogram have names of their own") {
  const std::string text = text_of([](TextWriter& writer) {
    writer.add(histogram, {{"a", "x"}}, {{"le", "+Inf"}}, 2, "_bucket");
    writer.add(histogram, {{"a", "x"}}, {}, 0.5, "_sum");
  });
  CHECK(text ==
        "# HELP times The third.\n# TYPE times histogram\n"
        "times_bucket{a=\"x\",le=\"+Inf\"} 2\ntimes_sum{a=\"x\"} 0.5\n");
}

TEST_CASE("a value of a label may be anything") {
  CHECK(Labels{{"a", "\\ and \" and \n."}}.text() == R"(a="\\ and \" and \n.")");
  CHECK(Labels{{"a", ""}, {"b", "{}, ="}}.text() == R"(a="",b="{}, =")");
}

TEST_CASE("a number reads back as itself") {
  const auto written = [](double value) {
    const std::string text = text_of([&](TextWriter& writer) { writer.add(other, {}, value); });
    return text.substr(text.rfind(' ') + 1);
  };
  CHECK(written(0) == "0\n");
  CHECK(written(-1) == "-1\n");
  CHECK(written(9007199254740991.0) == "9007199254740991\n");
  CHECK(written(0.1) == "0.1\n");
  CHECK(written(std::numeric_limits<double>::quiet_NaN()) == "NaN\n");
  CHECK(written(std::numeric_limits<double>::infinity()) == "+Inf\n");
  CHECK(written(-std::numeric_limits<double>::infinity()) == "-Inf\n");
  for (const double value :
       {std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min(), 1e16, 1 / 3.0}) {
    CHECK(std::strtod(written(value).c_str(), nullptr) == value);
  }
}

TEST_CASE("a number is the shortest text that reads back as it") {
  const auto written = [](double value) {
    const std::string text = text_of([&](TextWriter& writer) { writer.add(other, {}, value); });
    const std::size_t begin = text.rfind(' ') + 1;
    return text.substr(begin, text.size() - 1 - begin);
  };
  const auto shortest = [](double value) {
    std::array<char, 32> text{};
    const bool whole = std::abs(value) < 9007199254740992.0 && value == std::trunc(value);
    const auto end = whole ? std::to_chars(text.begin(), text.end(), static_cast<std::int64_t>(value))
                           : std::to_chars(text.begin(), text.end(), value);
    return std::string(text.data(), end.ptr);
  };
  // Where the ways of writing meet, with the doubles beside.
  for (const double edge : {1e-9, 1e-4, 1e-3, 0.1, 1.0, 999'999.999'999'999, 4194304.0, 8388607.999'999'999, 8388608.0,
                            9007199.254740991, 4503599627370496.0, 9007199254740992.0}) {
    for (const double value : {edge, std::nextafter(edge, 0), std::nextafter(edge, 1e300)}) {
      CHECK(written(value) == shortest(value));
      CHECK(written(-value) == shortest(-value));
    }
  }
  std::mt19937_64 random(1);  // NOLINT(cert-msc51-cpp): the same in each run
  std::size_t wrong = 0;
  for (int i = 0; i < 100'000; ++i) {
    // Any number of digits: nanoseconds, microseconds, and what is none of them.
    const std::uint64_t digits = random() >> (random() % 64);
    for (const double divisor : {1.0, 1e6, 1e9, 3.0}) {
      const double value = static_cast<double>(digits) / divisor;
      wrong += written(value) == shortest(value) ? 0 : 1;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("what is held of the text does not grow with it, and nothing of it is lost") {
  constexpr std::size_t series = 100'000;
  std::vector<std::size_t> parts;
  std::size_t lines = 0;
  TextWriter writer([&](std::string_view part) {
    parts.push_back(part.size());
    lines += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
    CHECK(part.back() == '\n');
  });
  for (std::size_t i = 0; i < series; ++i) writer.add(one, {{"i", std::to_string(i)}}, 1);
  writer.finish();
  CHECK(lines == series + 2);
  CHECK(parts.size() > 10);
  CHECK(*std::max_element(parts.begin(), parts.end()) <= 64 * 1024);
}

TEST_CASE("a series that is longer than the buffer is written whole") {
  const std::string value(1'000'000, 'x');
  const std::string text = text_of([&](TextWriter& writer) {
    writer.add(one, {}, 1);
    writer.add(one, {{"a", value}}, 2);
    writer.add(one, {{"a", "y"}}, 3);
  });
  CHECK_THAT(text, Catch::EndsWith("one_total 1\none_total{a=\"" + value + "\"} 2\none_total{a=\"y\"} 3\n"));
}

TEST_CASE("the text format is read back, whatever a label has in it") {
  const auto series =
      parse_exposition("a 1\nb{x=\"1\"} 2.5e3\nc{x=\"a\\\"b\\\\c\\nd}\",y=\"{,=\"} NaN\n\n# c\nd{} +Inf 1700000000\n");
  REQUIRE(series);
  REQUIRE(series->size() == 4);
  CHECK(series->at(0).name == "a");
  CHECK(series->at(1).value == 2500);
  CHECK(series->at(1).label("x") == "1");
  CHECK(series->at(1).label("y").empty());
  CHECK(series->at(2).label("x") == "a\"b\\c\nd}");
  CHECK(series->at(2).label("y") == "{,=");
  CHECK(series->at(3).labels.empty());
  for (const char* text : {"a", "a{", "a{x} 1", "a{x=\"1} 1", "a{x=\"1\"", "a{x=\"1\"}1", "a x", "{} 1", "a{x=\"\\"}) {
    INFO(text);
    CHECK_FALSE(parse_exposition(text));
  }
}
