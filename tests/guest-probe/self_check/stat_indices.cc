#include "guest-probe/self_check/stat_indices.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "guest-probe/account/figure_sources.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

// Those of which the samples below have values.
constexpr std::array<std::size_t, 9> sampled{STAT_ANON,        STAT_FILE,        STAT_INACTIVE_FILE,
                                             STAT_ACTIVE_FILE, STAT_MAPPED_FILE, STAT_SWAP,
                                             STAT_KERNEL,      STAT_FAULTS,      STAT_MAJOR_FAULTS};

// Where a kernel might keep them: in the arrays' own order, with others between.
constexpr StatIndices kernel_indices = [] {
  constexpr std::array<int, sampled.size()> places{9, 11, 2, 3, 10, 20, 21, 5, 6};
  StatIndices indices{};
  indices.fill(-1);
  for (std::size_t i = 0; i < places.size(); ++i) indices[sampled[i]] = places[i];
  return indices;
}();

ResolvedIndices resolve_indices(const std::vector<StatSample>& samples) {
  StatIndexProbe probe;
  for (const StatSample& sample : samples) probe.add(sample);
  return probe.resolved();
}

// One cgroup: each figure is `values` at its index; the other indices hold `noise` and what follows it.
StatSample sample_of(const std::array<std::uint64_t, sampled.size()>& values, std::int64_t noise,
                     std::size_t shift = 0) {
  StatSample sample;
  sample.arrays.pages.resize(40);
  sample.arrays.events.resize(20);
  for (std::int64_t& item : sample.arrays.pages) item = noise++;
  for (std::int64_t& item : sample.arrays.events) item = noise++;
  for (std::size_t i = 0; i < sampled.size(); ++i) {
    const std::size_t stat = sampled[i];
    auto& array = is_event(stat) ? sample.arrays.events : sample.arrays.pages;
    array[static_cast<std::size_t>(kernel_indices[stat]) + shift] = static_cast<std::int64_t>(values[i]);
    sample.file[stat] = values[i];
  }
  return sample;
}

std::vector<StatSample> sample_of_three(std::size_t shift = 0) {
  return {sample_of({900, 800, 700, 600, 500, 400, 300, 200, 100}, 10'000, shift),
          sample_of({128, 45, 0, 0, 32, 0, 21, 190, 0}, 20'000, shift),
          sample_of({128, 45, 0, 0, 32, 0, 21, 191, 0}, 30'000, shift)};
}

}  // namespace

TEST_CASE("Each index is resolved, whatever it is") {
  for (const std::size_t shift : {0u, 1u, 7u}) {
    const ResolvedIndices resolved = resolve_indices(sample_of_three(shift));
    for (const std::size_t stat : sampled) {
      INFO(stat);
      CHECK(resolved.why[stat] == Resolution::resolved);
      CHECK(resolved.indices[stat] == kernel_indices[stat] + static_cast<int>(shift));
    }
  }
}

TEST_CASE("A figure that another position equals in every sample is not resolved") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) sample.arrays.pages[33] = sample.arrays.pages[kernel_indices[STAT_FILE]];
  ResolvedIndices resolved = resolve_indices(samples);
  CHECK(resolved.why[STAT_FILE] == Resolution::ambiguous);
  CHECK(resolved.indices[STAT_FILE] == -1);
  CHECK(resolved.indices[STAT_ANON] == kernel_indices[STAT_ANON]);

  samples[1].arrays.pages[33]++;  // one sample in which they differ is enough
  resolved = resolve_indices(samples);
  CHECK(resolved.why[STAT_FILE] == Resolution::resolved);
  CHECK(resolved.indices[STAT_FILE] == kernel_indices[STAT_FILE]);
}

TEST_CASE("Two figures that turn out to be at one position are both not resolved") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) {
    sample.file[STAT_MAPPED_FILE] = sample.file[STAT_FILE];
    sample.arrays.pages[static_cast<std::size_t>(kernel_indices[STAT_MAPPED_FILE])] = -1;
  }
  const ResolvedIndices resolved = resolve_indices(samples);
  CHECK(resolved.why[STAT_FILE] == Resolution::ambiguous);
  CHECK(resolved.why[STAT_MAPPED_FILE] == Resolution::ambiguous);
  CHECK(resolved.indices[STAT_FILE] == -1);
  CHECK(resolved.indices[STAT_MAPPED_FILE] == -1);
}

TEST_CASE("A figure that is 0 everywhere, nowhere, or not shown is not resolved, and the reason is given") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) {
    sample.file[STAT_SWAP] = 0;
    sample.arrays.pages[static_cast<std::size_t>(kernel_indices[STAT_SWAP])] = 0;
    sample.file[STAT_KERNEL].reset();
    *sample.file[STAT_ANON] += 1;
  }
  const ResolvedIndices resolved = resolve_indices(samples);
  CHECK(resolved.why[STAT_SWAP] == Resolution::always_0);
  CHECK(resolved.why[STAT_KERNEL] == Resolution::no_line);
  CHECK(resolved.why[STAT_ANON] == Resolution::nowhere);
  for (const int stat : {STAT_SWAP, STAT_KERNEL, STAT_ANON}) {
    CHECK(resolved.indices[static_cast<std::size_t>(stat)] == -1);
    CHECK_FALSE(describe(resolved.why[static_cast<std::size_t>(stat)]).empty());
  }
  CHECK(resolved.indices[STAT_FAULTS] == kernel_indices[STAT_FAULTS]);
}

TEST_CASE("Pages are not looked for among events, nor beyond the arrays' end; without samples nothing is learned") {
  std::vector<StatSample> samples = sample_of_three();
  for (StatSample& sample : samples) {
    std::swap(sample.arrays.pages[static_cast<std::size_t>(kernel_indices[STAT_KERNEL])], sample.arrays.events[9]);
    sample.arrays.events.resize(static_cast<std::size_t>(kernel_indices[STAT_MAJOR_FAULTS]));
  }
  const ResolvedIndices resolved = resolve_indices(samples);
  CHECK(resolved.why[STAT_KERNEL] == Resolution::nowhere);
  CHECK(resolved.indices[STAT_MAJOR_FAULTS] == -1);
  CHECK(resolved.why[STAT_FAULTS] == Resolution::resolved);

  const ResolvedIndices nothing = resolve_indices({});
  for (std::size_t stat = 0; stat < STATS; ++stat) {
    CHECK(nothing.why[stat] == Resolution::not_tried);
    CHECK(nothing.indices[stat] == -1);
  }
}

TEST_CASE("What one sample leaves open, a later one decides") {
  StatIndexProbe probe;
  const StatSample first = sample_of({128, 45, 0, 0, 45, 0, 21, 190, 0}, 20'000);  // all of the cache is mapped
  probe.add(first);
  CHECK(probe.resolved().why[STAT_FILE] == Resolution::ambiguous);
  CHECK(probe.resolved().why[STAT_INACTIVE_FILE] == Resolution::always_0);
  CHECK(probe.resolved().indices[STAT_ANON] == kernel_indices[STAT_ANON]);
  probe.add(sample_of({128, 60, 15, 0, 45, 0, 21, 190, 0}, 30'000));
  CHECK(probe.resolved().indices[STAT_FILE] == kernel_indices[STAT_FILE]);
  CHECK(probe.resolved().indices[STAT_MAPPED_FILE] == kernel_indices[STAT_MAPPED_FILE]);
  CHECK(probe.resolved().indices[STAT_INACTIVE_FILE] == kernel_indices[STAT_INACTIVE_FILE]);
  CHECK(probe.resolved().why[STAT_ACTIVE_FILE] == Resolution::always_0);
}

TEST_CASE("A disturbed sample rules a figure's place out only until the next one") {
  StatIndexProbe probe;
  const std::vector<StatSample> samples = sample_of_three();
  StatSample disturbed = samples[0];
  *disturbed.file[STAT_ANON] += 1;
  probe.add(samples[0]);
  probe.add(disturbed);
  CHECK(probe.resolved().why[STAT_ANON] == Resolution::nowhere);
  CHECK(probe.resolved().indices[STAT_FAULTS] == kernel_indices[STAT_FAULTS]);
  probe.add(samples[1]);
  CHECK(probe.resolved().indices[STAT_ANON] == kernel_indices[STAT_ANON]);
}

TEST_CASE("What is not resolved is tried again at growing distances, and at once when there are new cgroups") {
  RetryPace pace;
  std::vector<int> due;
  for (int snapshot = 1; snapshot <= 200; ++snapshot) {
    if (pace.is_due(false)) due.push_back(snapshot);
  }
  CHECK(due == std::vector<int>{1, 2, 4, 8, 16, 32, 64, 128, 192});
  CHECK(pace.is_due(true));
  CHECK(pace.is_due(false));
  CHECK_FALSE(pace.is_due(false));
  // A guest in which cgroups come and go at all times.
  int tries = 0;
  for (int snapshot = 0; snapshot < 64 * 100; ++snapshot) tries += pace.is_due(true) ? 1 : 0;
  CHECK(tries < 64 + 100 + 10);
}

TEST_CASE("A record has the figures that were read for it, whatever is served by now") {
  FigureSet served = FigureSet::all();
  served.remove(figure::memory_active_file_bytes);
  const FigureSet v2 = known_figures(served, 1u << STAT_ANON | 1u << STAT_ACTIVE_FILE, true);
  CHECK(v2.has(figure::memory_rss_bytes));
  CHECK_FALSE(v2.has(figure::memory_active_file_bytes));
  CHECK_FALSE(v2.has(figure::memory_cache_bytes));
  CHECK_FALSE(v2.has(figure::memory_kernel_bytes));
  CHECK_FALSE(v2.has(figure::page_faults));
  CHECK(v2.has(figure::memory_swap_bytes));  // another counter in cgroup v2
  CHECK(v2.has(figure::memory_usage_bytes));
  const FigureSet v1 = known_figures(served, 1u << STAT_ANON, false);
  CHECK_FALSE(v1.has(figure::memory_swap_bytes));
  CHECK(v1.has(figure::memory_kernel_bytes));
}

TEST_CASE("Figures that lie together are read at once, others one by one") {
  const auto span = [](std::uint64_t first, std::uint64_t count) { return first << 32 | count; };
  CHECK(spans_of(kernel_indices) == std::array<std::uint64_t, SPANS>{span(2, 10), span(20, 2), span(5, 2)});
  StatIndices some = kernel_indices;
  some[STAT_INACTIVE_FILE] = some[STAT_SWAP] = some[STAT_FAULTS] = some[STAT_MAJOR_FAULTS] = -1;
  CHECK(spans_of(some) == std::array<std::uint64_t, SPANS>{span(3, 9), span(21, 1), 0});
  some[STAT_ANON] = 3 + SPAN_ROOM - 1;
  CHECK(spans_of(some)[SPAN_PAGES] == 0);
  some[STAT_ANON] = 3 + SPAN_ROOM - 2;
  CHECK(spans_of(some)[SPAN_PAGES] == span(3, SPAN_ROOM - 1));
}
