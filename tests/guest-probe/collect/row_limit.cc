#include "guest-probe/collect/row_limit.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace katameter::guest;

namespace {

using Rows = std::map<ContainerId, wire::Container>;

ContainerId id_of(char digit) {
  return *ContainerId::from_hex(std::string(64, digit));
}

void put(Rows& rows, char digit, std::uint64_t cpu_ns, bool removed = false) {
  wire::Container row;
  row.id = id_of(digit);
  row.cpu_usage_ns = cpu_ns;
  row.memory_usage_bytes = 100;
  row.removed = removed;
  rows.insert_or_assign(row.id, row);
}

}  // namespace

TEST_CASE("Up to the limit every container has a row, and nothing is said of a rest") {
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
