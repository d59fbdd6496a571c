#pragma once

#include <algorithm>
#include <string>

#include "bpf/records.h"

namespace katameter {

inline name_record make_name(std::uint64_t id, std::uint32_t depth, const std::string& name) {
  name_record record{};
  record.id = id;
  record.depth = depth;
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), NAME_BYTES - 1), record.name);
  return record;
}

inline cpu_record make_cpu(std::uint64_t id, std::uint32_t depth, std::uint64_t usage_ns,
                           std::uint32_t flags = NODE_ONLINE) {
  cpu_record record{};
  record.node = {id, depth, flags};
  record.usage_ns = usage_ns;
  record.kinds = CPU_TIMES;
  return record;
}

inline memory_record make_memory(std::uint64_t id, std::uint32_t depth, std::int64_t anon, std::int64_t pending,
                                 std::uint32_t flags = NODE_ONLINE | NODE_CHARGES_PARENT) {
  memory_record record{};
  record.node = {id, depth, flags};
  record.usage_pages = 100;
  record.peak_pages = 200;
  record.limit_pages = 300;
  record.stat[STAT_ANON] = anon;
  record.pending[STAT_ANON] = pending;
  return record;
}

}  // namespace katameter
