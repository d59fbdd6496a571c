#include "tests/node/host_probe.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <sstream>
#include <thread>

#include "tests/support/http_get.h"

namespace katameter::host::testing {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> arguments(const std::vector<std::string>& more) {
  std::vector<std::string> all{"--web.listen-address", "127.0.0.1:0", "--state-file", ""};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

bool matches(const TextSeries& series, const std::string& name, const Scrape::Labels& labels) {
  if (series.name != name) return false;
  return std::ranges::all_of(labels, [&](const auto& label) { return series.label(label.first) == label.second; });
}

}  // namespace

Scrape::Scrape(const std::string& address) {
  const std::string answer = http_get(address, "/metrics");
  const std::size_t body = answer.find("\r\n\r\n");
  REQUIRE(body != std::string::npos);
  auto series = parse_exposition(std::string_view(answer).substr(body + 4));
  REQUIRE(series);
  series_ = std::move(*series);
}

double Scrape::sum(const std::string& name, const Labels& labels) const {
  INFO(name);
  REQUIRE(has(name, labels));
  double sum = 0;
  for (const TextSeries& each : series_) sum += matches(each, name, labels) ? each.value : 0;
  return sum;
}

bool Scrape::has(const std::string& name, const Labels& labels) const {
  return std::ranges::any_of(series_, [&](const TextSeries& each) { return matches(each, name, labels); });
}

bool becomes(const std::string& address, const std::string& name, const Scrape::Labels& labels, double value) {
  const auto end = std::chrono::steady_clock::now() + 240s;
  while (std::chrono::steady_clock::now() < end) {
    const Scrape now(address);
    if (now.has(name, labels) ? now.sum(name, labels) == value : std::isnan(value)) return true;
    std::this_thread::sleep_for(300ms);
  }
  const Scrape last(address);
  UNSCOPED_INFO(name << ": " << (last.has(name, labels) ? last.sum(name, labels) : NAN) << " after four minutes");
  return false;
}

std::string alarms_in(const std::string& log) {
  const auto has = [](const std::string& text, const std::string& key, const std::string& value) {
    return text.find(key + "=" + value) != std::string::npos ||
           text.find("\"" + key + "\":\"" + value + "\"") != std::string::npos;
  };
  REQUIRE(has(log, "level", "info"));
  std::string alarms;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const bool wrong = has(line, "level", "warning") || has(line, "level", "error");
    if (wrong && !has(line, "reason", "late")) alarms += line + "\n";
  }
  return alarms;
}

HostProbe::HostProbe(const std::vector<std::string>& more) : program_(arguments(more)) {
  address_ = program_.addresses().front();
}

bool HostProbe::becomes(const std::string& name, const Scrape::Labels& labels, double value) {
  if (testing::becomes(address_, name, labels, value)) return true;
  UNSCOPED_INFO(program_.take());
  return false;
}

}  // namespace katameter::host::testing
