#include "guest-probe/account/shown_times.h"

#include <algorithm>

namespace katameter::guest {
namespace {

__extension__ using Product = unsigned __int128;

struct Times {
  std::uint64_t user_ns;
  std::uint64_t system_ns;
};

// One of the two at least as large as shown before, and both together the usage.
Times not_below(std::uint64_t usage_ns, std::uint64_t system_ns, const Times& before) {
  system_ns = std::clamp(system_ns, std::min(before.system_ns, usage_ns), usage_ns);
  std::uint64_t user_ns = usage_ns - system_ns;
  if (user_ns < before.user_ns) {
    user_ns = before.user_ns;
    system_ns = usage_ns - user_ns;
  }
  return {user_ns, system_ns};
}

Times adjust(std::uint64_t usage_ns, const Times& ticks, const Times& before) {
  if (before.user_ns + before.system_ns >= usage_ns) return before;
  std::uint64_t system_ns = 0;  // without a tick so far, all of it is the user's
  if (ticks.system_ns != 0 && ticks.user_ns == 0) {
    system_ns = usage_ns;
  } else if (ticks.system_ns != 0) {
    const Product all = Product{ticks.user_ns} + ticks.system_ns;
    system_ns = static_cast<std::uint64_t>(Product{ticks.system_ns} * usage_ns / all);
  }
  return not_below(usage_ns, system_ns, before);
}

}  // namespace

void ShownTimes::clamp(cpu_record& record) {
  if (!scaled_ || (record.kinds & CPU_TIMES) == 0) return;
  Shown& shown = shown_[record.id];
  record.usage_ns = std::max<std::uint64_t>(record.usage_ns, shown.usage_ns);
  const Times kernels =
      adjust(record.usage_ns, {record.user_ns, record.system_ns}, {record.shown_user_ns, record.shown_system_ns});
  // Ours may be ahead of the kernel's, which does not know what we have shown.
  Times times{shown.user_ns, shown.system_ns};
  const std::uint64_t total_ns = kernels.user_ns + kernels.system_ns;
  if (times.user_ns + times.system_ns < total_ns) times = not_below(total_ns, kernels.system_ns, times);
  shown = {record.usage_ns, times.user_ns, times.system_ns, true};
  record.user_ns = times.user_ns;
  record.system_ns = times.system_ns;
}

void ShownTimes::forget_unseen() {
  std::erase_if(shown_, [](const auto& item) { return !item.second.seen; });
  for (auto& [id, shown] : shown_) shown.seen = false;
}

}  // namespace katameter::guest
