#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "guest-probe/collect/guest_sums.h"
#include "tests/support/containers.h"
#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::guest;
using katameter::testing::id_of;
using katameter::testing::TemporaryDirectory;

namespace {

using Rows = std::map<ContainerId, wire::Container>;

void put(Rows& rows, char digit, std::uint64_t cpu_ns, bool removed = false) {
  wire::Container row;
  row.id = id_of(digit);
  row.cpu_usage_ns = cpu_ns;
  row.memory_usage_bytes = 100;
  row.removed = removed;
  rows.insert_or_assign(row.id, row);
}

std::uint64_t workload(ReportedSums& sums, std::uint64_t ns) {
  wire::Guest guest;
  guest.workload_cpu_usage_ns = ns;
  sums.carry_on(guest);
  return *guest.workload_cpu_usage_ns;
}

}  // namespace

TEST_CASE("Up to the limit every container has a row, and no rest is reported") {
  RowLimit limit(2);
  Rows rows;
  put(rows, 'a', 1);
  put(rows, 'b', 2);
  wire::Guest guest;
  limit.apply(rows, guest);
  CHECK(rows.size() == 2);
  CHECK_FALSE(limit.exceeded());
  CHECK_FALSE(guest.unattributed_containers);
}

TEST_CASE("Past the limit the rest is summed, and who has a row keeps it") {
  RowLimit limit(2);
  Rows first;
  put(first, 'c', 1);
  put(first, 'd', 2);
  wire::Guest guest;
  limit.apply(first, guest);

  Rows rows;
  for (const char digit : {'a', 'b', 'c', 'd'}) put(rows, digit, 10);
  limit.apply(rows, guest);
  CHECK(rows.size() == 2);
  CHECK(rows.contains(id_of('c')));
  CHECK(rows.contains(id_of('d')));
  CHECK(limit.exceeded());
  CHECK(guest.unattributed_containers == 2);
  CHECK(guest.unattributed_cpu_usage_ns == 20);
  CHECK(guest.unattributed_memory_usage_bytes == 200);
}

TEST_CASE("The sum of the rest keeps what its dead have used, and never falls") {
  RowLimit limit(1);
  wire::Guest guest;
  Rows rows;
  put(rows, 'a', 5);
  put(rows, 'b', 7);
  limit.apply(rows, guest);
  CHECK(guest.unattributed_cpu_usage_ns == 7);

  // It ends with a little more, is reported until that is acknowledged, and then no more.
  for (const bool reported : {true, true, false}) {
    Rows later;
    put(later, 'a', 5);
    if (reported) put(later, 'b', 9, true);
    limit.apply(later, guest);
    CHECK(later.size() == 1);
    CHECK(guest.unattributed_containers == 0);
    CHECK(guest.unattributed_memory_usage_bytes == 0);
    CHECK(guest.unattributed_cpu_usage_ns == 9);
  }
}

TEST_CASE("What the rest has asked of virtiofs is with what has no owner, and never falls") {
  RowLimit limit(1);
  const auto take = [&](std::uint64_t lookups, bool living) {
    Rows rows;
    put(rows, 'a', 1);
    if (living) put(rows, 'b', 1);
    for (auto& [id, row] : rows) {
      row.virtiofs_reads = 2;
      row.virtiofs_lookups = lookups;
      row.virtiofs_read_bytes = 4096;
      row.virtiofs_written_bytes = 10;
    }
    wire::Guest guest;
    guest.virtiofs_unknown_requests = 100;
    guest.virtiofs_unknown_read_bytes = 200;
    guest.virtiofs_unknown_written_bytes = 300;
    limit.apply(rows, guest);
    CHECK(guest.virtiofs_unknown_read_bytes == 200 + 4096);
    CHECK(guest.virtiofs_unknown_written_bytes == 300 + 10);
    return *guest.virtiofs_unknown_requests;
  };
  CHECK(take(3, true) == 105);
  CHECK(take(7, true) == 109);
  CHECK(take(7, false) == 109);

  // A guest that does not count them.
  Rows rows;
  put(rows, 'a', 1);
  wire::Guest guest;
  limit.apply(rows, guest);
  CHECK_FALSE(guest.virtiofs_unknown_requests);
}

TEST_CASE("A place becomes free with its container; one of the rest does not move up") {
  RowLimit limit(1);
  wire::Guest guest;
  Rows rows;
  put(rows, 'a', 1);
  put(rows, 'b', 2);
  limit.apply(rows, guest);

  Rows later;
  put(later, 'a', 1, true);
  put(later, 'b', 3);
  put(later, 'c', 4);
  limit.apply(later, guest);
  CHECK(later.contains(id_of('a')));  // its last values
  CHECK(later.contains(id_of('c')));
  CHECK_FALSE(later.contains(id_of('b')));
  CHECK(guest.unattributed_cpu_usage_ns == 3);
}

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
