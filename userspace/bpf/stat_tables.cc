#include "userspace/bpf/stat_tables.h"

#include <bpf/bpf.h>

#include <memory>

#include "bpf/stat_copy.h"
#include "userspace/bpf/test_run.h"

namespace katameter {

Result<StatArrays> StatTables::read(std::uint64_t cgroup_id) const {
  const std::array<std::uint64_t, 1> arguments{cgroup_id};
  const Result<std::uint32_t> items = test_run(copy_program_, arguments);
  if (!items) return failure_from(items.error(), "cannot copy the figures of memory.stat");
  const std::size_t pages = *items & 0xffff;
  const std::size_t events = *items >> 16;
  if (pages == 0) return failure("there is no such memory cgroup");
  if (pages >= STAT_ROOM || events >= STAT_ROOM) return failure("this kernel has more figures than there is room for");
  const auto copy = std::make_unique<stat_copy>();
  const std::uint32_t first = 0;
  if (bpf_map_lookup_elem(copies_.get(), &first, copy.get()) != 0) {
    return system_failure("cannot read the copied figures of memory.stat");
  }
  return StatArrays{{copy->pages, copy->pages + pages}, {copy->events, copy->events + events}};
}

Status StatTables::place(const StatPlaces& places) const {
  std::array<std::uint64_t, STATS> arguments{};
  for (std::size_t stat = 0; stat < arguments.size(); ++stat) {
    arguments[stat] = static_cast<std::uint64_t>(places[stat]) + 1;  // -1 becomes 0
  }
  const Result<std::uint32_t> placed = test_run(place_program_, arguments);
  if (!placed) return failure_from(placed.error(), "cannot say where the figures of memory.stat are");
  return {};
}

}  // namespace katameter
