#include "guest-probe/collect/guest_wide.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <random>

using namespace katameter;
using namespace katameter::guest;

namespace {

constexpr std::uint64_t kibibyte = 1024;

const std::string meminfo =
    "MemTotal:        1013304 kB\n"
    "MemFree:          813304 kB\n"
    "MemAvailable:     863304 kB\n"
    "Buffers:               4 kB\n"
    "Cached:           100000 kB\n"
    "SwapCached:            0 kB\n"
    "SwapTotal:             8 kB\n"
    "SwapFree:              0 kB\n"
    "AnonPages:         20000 kB\n"
    "Slab:              30000 kB\n"
    "KernelStack:        1600 kB\n"
    "PageTables:          512 kB\n"
    "HugePages_Total:       0\n";

wire::Guest guest_of(std::string_view text) {
  wire::Guest guest;
  parse_meminfo(text, guest);
  return guest;
}

}  // namespace

TEST_CASE("The lines of /proc/meminfo become bytes") {
  const wire::Guest guest = guest_of(meminfo);
  CHECK(guest.memory_total_bytes == 1013304 * kibibyte);
  CHECK(guest.memory_free_bytes == 813304 * kibibyte);
  CHECK(guest.memory_available_bytes == 863304 * kibibyte);
  CHECK(guest.memory_cache_bytes == 100004 * kibibyte);
  CHECK(guest.memory_anonymous_bytes == 20000 * kibibyte);
  CHECK(guest.memory_slab_bytes == 30000 * kibibyte);
  CHECK(guest.memory_kernel_stack_bytes == 1600 * kibibyte);
  CHECK(guest.memory_page_tables_bytes == 512 * kibibyte);
  CHECK(guest.swap_total_bytes == 8 * kibibyte);
  CHECK(guest.swap_free_bytes == 0);
}

TEST_CASE("What is not there, or not of the form, is absent and costs nothing else") {
  CHECK_FALSE(guest_of("").memory_total_bytes);
  CHECK_FALSE(guest_of("Cached: 4 kB\n").memory_cache_bytes);  // half of it is not the figure
  for (const char* line : {"MemTotal: 12\n", "MemTotal: -1 kB\n", "MemTotal: 12 MB\n", "MemTotal 12 kB\n",
                           "MemTotal: kB\n", "MemTotal:\n", "MemTotal: 12 kB \n", "xMemTotal: 12 kB\n",
                           "MemTotal: 18014398509481984 kB\n", "MemTotal: 99999999999999999999999999 kB\n"}) {
    INFO(line);
    const wire::Guest guest = guest_of(std::string(line) + "\nMemFree: 3 kB\n");
    CHECK_FALSE(guest.memory_total_bytes);
  }
  CHECK_FALSE(guest_of("MemTotal: 12 kB").memory_total_bytes);  // it may have been cut
  CHECK(guest_of("MemTotal: 12 MB\nMemFree: 3 kB\n").memory_free_bytes == 3 * kibibyte);
  CHECK(guest_of("MemTotal: 18014398509481983 kB\n").memory_total_bytes == 18014398509481983 * kibibyte);
  const std::string most = "18014398509481983 kB\n";
  CHECK_FALSE(guest_of("Buffers: " + most + "Cached: " + most).memory_cache_bytes);
}

TEST_CASE("No bytes break the parser of /proc/meminfo") {
  std::mt19937 random(1);
  std::size_t still_there = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string changed = meminfo.substr(0, random() % (meminfo.size() + 1));
    for (int i = 0; i < 8 && !changed.empty(); ++i) changed[random() % changed.size()] = static_cast<char>(random());
    if (guest_of(changed).memory_free_bytes) ++still_there;
  }
  CHECK(still_there > 1000);
  CHECK(still_there < 19000);
}

TEST_CASE("This machine's /proc/meminfo can be read again and again") {
  const Result<Meminfo> meminfo = Meminfo::open();
  REQUIRE(meminfo);
  for (int round = 0; round < 3; ++round) {
    wire::Guest guest;
    REQUIRE(meminfo->read(guest));
    for (const wire::GuestFigure& figure : wire::guest_figures) {
      if (!figure.name.starts_with("memory_") && !figure.name.starts_with("swap_")) continue;
      INFO(figure.name);
      CHECK(guest.*figure.value);
    }
    CHECK(*guest.memory_total_bytes > *guest.memory_free_bytes);
  }
}
