#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include "tests/vm/report.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

namespace katameter::guest {
namespace {

// Catch2 v2 cannot skip a test.
bool left_out = false;

// Tells the host what docs/kernels.md is made of, where KATAMETER_REPORT is set: lines that begin with "@", among the
// output because it is the only way out of the guest. in_guest.sh takes them out again.
class Report : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;

  void testRunStarting(const Catch::TestRunInfo&) override {
    if (!wanted_) return;
    FILE* check = popen(GUEST_PROBE " check 2>&1", "r");
    if (check == nullptr) return;
    std::string output;
    std::array<char, 4096> bytes{};
    for (std::size_t size; (size = fread(bytes.data(), 1, bytes.size(), check)) > 0;) output.append(bytes.data(), size);
    pclose(check);
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) std::cout << "@check\t" << line << std::endl;
  }

  void testCaseStarting(const Catch::TestCaseInfo&) override { left_out = false; }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    if (!wanted_) return;
    const char* ended = left_out ? "left out" : "passed";
    std::cout << "@test\t" << (stats.totals.assertions.allOk() ? ended : "failed") << '\t';
    for (const std::string& tag : stats.testInfo.tags) std::cout << '[' << tag << ']';
    std::cout << '\t' << stats.testInfo.name << std::endl;
  }

 private:
  const bool wanted_ = std::getenv("KATAMETER_REPORT") != nullptr;
};

CATCH_REGISTER_LISTENER(Report)

}  // namespace

void leave_out(const std::string& why) {
  left_out = true;
  std::cout << "left out: " << why << std::endl;
}

}  // namespace katameter::guest
