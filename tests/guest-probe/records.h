#pragma once

#include <algorithm>
#include <string>

#include "bpf/guest/records.h"
#include "guest-probe/account/containers.h"

namespace katameter::guest {

inline name_record make_name(std::uint64_t id, std::uint32_t depth, const std::string& name) {
  name_record record{};
  record.id = id;
  record.depth = depth;
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), NAME_BYTES - 1), record.name);
  if (const auto container = container_of_component(name)) {
    const std::string hex = container->hex();
    record.id_begin = static_cast<std::uint32_t>(name.find(hex)) + 1;
    std::copy(hex.begin(), hex.end(), record.container);
  }
  return record;
}

inline cpu_record make_cpu(std::uint64_t id, std::uint64_t usage_ns) {
  cpu_record record{};
  record.id = id;
  record.usage_ns = usage_ns;
  record.kinds = CPU_TIMES;
  return record;
}

inline memory_record make_memory(std::uint64_t id, std::int64_t anon, std::int64_t pending) {
  memory_record record{};
  record.id = id;
  record.usage_pages = 100;
  record.peak_pages = 200;
  record.limit_pages = 300;
  record.stat[STAT_ANON] = anon;
  record.pending[STAT_ANON] = pending;
  return record;
}

}  // namespace katameter::guest
