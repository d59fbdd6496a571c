#include "guest-probe/account/io.h"

#include <catch2/catch.hpp>

#include "guest-probe/account/figure_sources.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

virtiofs_sums sums() {
  virtiofs_sums made{};
  for (std::uint64_t i = 0; i < VIRTIOFS_FIGURES; ++i) made.value[i] = 100 + i;
  return made;
}

}  // namespace

TEST_CASE("Each count of virtiofs has its place in a row") {
  wire::Container row;
  set_virtiofs(row, sums(), FigureSet::all());
  CHECK(row.virtiofs_reads == 100 + VIRTIOFS_READ);
  CHECK(row.virtiofs_others == 100 + VIRTIOFS_OTHER);
  CHECK(row.virtiofs_written_bytes == 100 + VIRTIOFS_WRITTEN_BYTES);
  CHECK(row.virtiofs_metadata_ns == 100 + VIRTIOFS_METADATA_NS);
  CHECK(row.virtiofs_sync_errors == 100 + VIRTIOFS_SYNC_ERRORS);
  CHECK(row.virtiofs_in_flight == 100 + VIRTIOFS_IN_FLIGHT);
  CHECK(row.virtiofs_up_to_100us == 100 + VIRTIOFS_UP_TO_100US);
  CHECK(row.virtiofs_over_1s == 100 + VIRTIOFS_OVER_1S);
  std::size_t there = 0;
  for (const wire::ContainerFigure& figure : wire::container_figures) there += row.*figure.value ? 1 : 0;
  CHECK(there == VIRTIOFS_FIGURES);
}

TEST_CASE("Where answers are not counted, a row has no time, error or request in flight") {
  wire::Container row;
  set_virtiofs(row, sums(), {FigureGroup::virtiofs});
  CHECK(row.virtiofs_reads == 100 + VIRTIOFS_READ);
  CHECK(row.virtiofs_read_bytes == 100 + VIRTIOFS_READ_BYTES);
  CHECK((!row.virtiofs_read_ns && !row.virtiofs_metadata_ns && !row.virtiofs_read_errors && !row.virtiofs_in_flight));
  CHECK((!row.virtiofs_up_to_100us && !row.virtiofs_over_1s));
}

TEST_CASE("A request whose end was counted before its beginning is not in flight") {
  virtiofs_sums early = sums();
  early.value[VIRTIOFS_IN_FLIGHT] = ~std::uint64_t{0};
  wire::Container row;
  set_virtiofs(row, early, FigureSet::all());
  CHECK(row.virtiofs_in_flight == 0);
}
