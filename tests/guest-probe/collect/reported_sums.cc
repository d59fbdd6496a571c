#include "guest-probe/collect/reported_sums.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::guest;
using katameter::testing::TemporaryDirectory;

namespace {

std::uint64_t workload(ReportedSums& sums, std::uint64_t ns) {
  wire::Guest guest;
  guest.workload_cpu_usage_ns = ns;
  sums.carry_on(guest);
  return *guest.workload_cpu_usage_ns;
}

}  // namespace

TEST_CASE("A sum goes on where the last process left it, and rises with what the new one counts") {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "run/sums").string();
  {
    Result<ReportedSums> sums = ReportedSums::open(file);
    REQUIRE(sums);
    CHECK(workload(*sums, 100) == 100);
    CHECK(workload(*sums, 300) == 300);
  }
  Result<ReportedSums> sums = ReportedSums::open(file);
  REQUIRE(sums);
  CHECK(workload(*sums, 50) == 300);
  CHECK(workload(*sums, 60) == 310);
}

TEST_CASE("A sum that the new process still knows is not counted twice") {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "sums").string();
  {
    Result<ReportedSums> sums = ReportedSums::open(file);
    REQUIRE(sums);
    CHECK(workload(*sums, 300) == 300);
  }
  Result<ReportedSums> sums = ReportedSums::open(file);
  REQUIRE(sums);
  CHECK(workload(*sums, 320) == 320);
}

TEST_CASE("No sum falls within a process, in memory alone either, and what is absent stays absent") {
  ReportedSums sums;
  CHECK(workload(sums, 100) == 100);
  CHECK(workload(sums, 90) == 100);
  CHECK(workload(sums, 110) == 110);
  wire::Guest guest;
  guest.containers_lost = 7;
  sums.carry_on(guest);
  CHECK_FALSE(guest.workload_cpu_usage_ns);
  CHECK(guest.containers_lost == 7);
  guest.containers_lost = 5;
  sums.carry_on(guest);
  CHECK(guest.containers_lost == 7);
}

TEST_CASE("Sums of another boot, or a file of something else, are begun anew") {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "sums").string();
  {
    Result<ReportedSums> sums = ReportedSums::open(file);
    REQUIRE(sums);
    CHECK(workload(*sums, 300) == 300);
  }
  SECTION("another boot") {
    std::fstream contents(file, std::ios::in | std::ios::out | std::ios::binary);
    contents.seekp(8);
    contents << "another boot";
  }
  SECTION("something else") {
    std::ofstream(file) << "no sums at all";
  }
  SECTION("nothing") {
    std::ofstream(file, std::ios::trunc).flush();
  }
  Result<ReportedSums> sums = ReportedSums::open(file);
  REQUIRE(sums);
  CHECK(workload(*sums, 50) == 50);
}

TEST_CASE("A file that cannot be made is an error that names it") {
  const Result<ReportedSums> sums = ReportedSums::open("/proc/no-such-folder/sums");
  REQUIRE_FALSE(sums);
  CHECK(sums.error().text.find("/proc/no-such-folder/sums") != std::string::npos);
}
