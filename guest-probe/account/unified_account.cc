#include "guest-probe/account/unified_account.h"

#include <algorithm>

namespace katameter::guest {

bool is_complete(std::span<const unified_record> containers) {
  return std::all_of(containers.begin(), containers.end(),
                     [](const unified_record& record) { return record.nested == record.descendants; });
}

bool walks_agree(std::span<const unified_record> first, std::span<const unified_record> second) {
  return std::equal(first.begin(), first.end(), second.begin(), second.end(),
                    [](const unified_record& a, const unified_record& b) {
                      return a.cpu.id == b.cpu.id && a.check == b.check && a.nested == b.nested;
                    });
}

}  // namespace katameter::guest
