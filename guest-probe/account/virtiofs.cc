#include "guest-probe/account/virtiofs.h"

#include <algorithm>

#include "guest-probe/account/figure_sources.h"

namespace katameter::guest {

void set_virtiofs(wire::Container& row, const virtiofs_sums& sums, const FigureSet& served) {
  const auto value_of = [&](std::size_t index) { return sums.value[index]; };
  set_figures<FigureGroup::virtiofs>(row, served, value_of);
  set_figures<FigureGroup::virtiofs_answers>(row, served, value_of);
  // Its two ends are counted on two CPUs, and the later one may be read first.
  const auto in_flight = static_cast<std::int64_t>(sums.value[VIRTIOFS_IN_FLIGHT]);
  set_figure<figure::virtiofs_in_flight>(row, served, static_cast<std::uint64_t>(std::max<std::int64_t>(in_flight, 0)));
}

}  // namespace katameter::guest
