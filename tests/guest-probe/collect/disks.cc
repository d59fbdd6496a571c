#include "guest-probe/collect/disks.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string diskstats =
    "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
    " 254       1 vda1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
    " 254      16 vdb 0 0 0 0 0 0 0 0 1 0 0 0 0 0 0 0 0\n"
    " 259       0 nvme0n1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    " 259       1 nvme0n1p1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    "   7       1 loop1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    "   7      10 loop10 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

Disks disks_of(std::string_view text) {
  Disks disks;
  parse_diskstats(text, disks);
  return disks;
}

}  // namespace

TEST_CASE("A disk has its own line's numbers; partitions and disks without a request are left out") {
  const Disks disks = disks_of(diskstats);
  REQUIRE(disks.disks.size() == 5);
  CHECK(disks.unreported == 0);
  const wire::Disk& first = disks.disks[0];
  CHECK(first.major == 254);
  CHECK(first.minor == 0);
  std::uint64_t number = 0;
  for (const wire::DiskFigure& figure : wire::disk_figures) {
    INFO(figure.name);
    CHECK(first.*figure.value == ++number * (figure.name.ends_with("_bytes") ? 512 : 1));
  }
  CHECK(disks.disks[1].minor == 16);  // its first request is in flight
  CHECK(disks.disks[1].in_flight == 1);
  CHECK(disks.disks[2].major == 259);
  CHECK(disks.disks[3].minor == 1);
  CHECK(disks.disks[4].minor == 10);  // not a partition of loop1
}

TEST_CASE("A text that comes in pieces is read as a whole one, partitions at a border included") {
  for (std::size_t cut = 0; cut <= diskstats.size(); ++cut) {
    Disks disks;
    const std::string rest(parse_diskstats(diskstats.substr(0, cut), disks));
    CHECK(parse_diskstats(rest + diskstats.substr(cut), disks).empty());
    REQUIRE(disks.disks.size() == 5);
    CHECK(disks.disks[0].flush_ms == 17);
  }
}

TEST_CASE("More disks than a snapshot has are counted") {
  std::string text;
  for (std::size_t i = 0; i < wire::max_disks + 3; ++i) {
    text += " 252 " + std::to_string(i) + " dm-" + std::to_string(i) + " 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n";
  }
  const Disks disks = disks_of(text);
  CHECK(disks.disks.size() == wire::max_disks);
  CHECK(disks.unreported == 3);
}

TEST_CASE("Lines of another form are skipped") {
  const std::string good = " 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n";
  for (const char* line :
       {"", "254", "254 0", "254 0 sda", "254 0 sda 1 2 3", "254 -1 sda 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7",
        "x 0 sda 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7", "254 0 sda 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 x",
        "99999999999 0 sda 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7"}) {
    INFO(line);
    CHECK(disks_of(std::string(line) + "\n" + good).disks.size() == 1);
  }
}

TEST_CASE("Whatever bytes come, parsing them ends") {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text = diskstats;
    for (int i = 0; i < 8; ++i) text[random() % text.size()] = static_cast<char>(random());
    CHECK(disks_of(text).disks.size() <= 9);
  }
}

TEST_CASE("This machine's file can be read again and again") {
  const Result<DiskStats> file = DiskStats::open();
  REQUIRE(file);
  for (int i = 0; i < 3; ++i) CHECK(file->read());
}
