#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "tests/vm/daemon.h"
#include "tests/vm/loop_device.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

bool is_v2(const TestCgroup& cgroup) {
  return cgroup.has("blkio", "cgroup.controllers");
}

// A line "MAJOR:MINOR KEY=VALUE ..." of io.stat; zeros if there is none.
wire::BlockDevice io_stat_of(const TestCgroup& cgroup, const LoopDevice& device) {
  std::ifstream file(cgroup.file_path("blkio", "io.stat"));
  REQUIRE(file);
  wire::BlockDevice counted;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word != "7:" + std::to_string(device.minor())) continue;
    while (words >> word) {
      const std::size_t end = word.find('=');
      const std::string key = word.substr(0, end);
      const std::uint64_t value = std::stoull(word.substr(end + 1));
      if (key == "rbytes") counted.read_bytes = value;
      if (key == "wbytes") counted.write_bytes = value;
      if (key == "dbytes") counted.discard_bytes = value;
      if (key == "rios") counted.reads = value;
      if (key == "wios") counted.writes = value;
    }
  }
  return counted;
}

// A line "MAJOR:MINOR Read VALUE" of one of v1's files.
std::uint64_t throttle_of(const TestCgroup& cgroup, const LoopDevice& device, const char* file, const char* what) {
  std::ifstream in(cgroup.file_path("blkio", file));
  const std::string number = "7:" + std::to_string(device.minor());
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(number + " " + what + " ")) return std::stoull(line.substr(line.rfind(' ')));
  }
  return 0;
}

void check_equal(const wire::BlockDevice& ours, const wire::BlockDevice& theirs) {
  for (const wire::BlockDeviceFigure& figure : wire::block_device_figures) {
    INFO(figure.name);
    CHECK(ours.*figure.value == theirs.*figure.value);
  }
}

wire::BlockDevice reads_and_writes(std::uint64_t reads, std::uint64_t writes, std::uint64_t bytes = page) {
  return {.read_bytes = reads * bytes, .write_bytes = writes * bytes, .reads = reads, .writes = writes};
}

}  // namespace

TEST_CASE("Block I/O of a container is what its devices counted, what was done inside it included", "[any][io]") {
  const LoopDevice one;
  const LoopDevice other;
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('6');
  const TestCgroup idle('7');
  Workload workload(cgroup);
  CHECK(row_of(daemon, cgroup.id()).block_devices.empty());
  workload.read_device(one.fd(), 10);
  workload.write_device(one.fd(), 5);
  workload.write_device(other.fd(), 3, 2 * page);
  const wire::Container row = row_of(daemon, cgroup.id());
  CHECK(row.block_devices.size() == 2);
  check_equal(one.of(row), reads_and_writes(10, 5));
  check_equal(one.of(row), one.completed());
  check_equal(other.of(row), reads_and_writes(0, 3, 2 * page));
  check_equal(other.of(row), other.completed());
  CHECK(row_of(daemon, idle.id()).block_devices.empty());
  if (is_v2(cgroup)) {
    check_equal(one.of(row), io_stat_of(cgroup, one));
    check_equal(other.of(row), io_stat_of(cgroup, other));
  } else if (throttle_of(cgroup, one, "blkio.throttle.io_serviced", "Read") >
             0) {  // not on every kernel without a rule
    CHECK(one.of(row).reads == throttle_of(cgroup, one, "blkio.throttle.io_serviced", "Read"));
    CHECK(one.of(row).writes == throttle_of(cgroup, one, "blkio.throttle.io_serviced", "Write"));
    CHECK(one.of(row).read_bytes == throttle_of(cgroup, one, "blkio.throttle.io_service_bytes", "Read"));
    CHECK(other.of(row).write_bytes == throttle_of(cgroup, other, "blkio.throttle.io_service_bytes", "Write"));
  }

  const TestCgroup nested('6', "/nested");
  Workload inside(nested);
  inside.read_device(one.fd(), 7);
  check_equal(one.of(row_of(daemon, cgroup.id())), reads_and_writes(17, 5));
  check_equal(one.of(row_of(daemon, cgroup.id())), one.completed());
}

TEST_CASE("What a container discards is counted as bytes, and not as read or written", "[any][io]") {
  const LoopDevice device;
  const Daemon daemon;
  const TestCgroup cgroup('6');
  Workload workload(cgroup);
  workload.write_device(device.fd(), 3);
  workload.discard_device(device.fd(), 64 * page);
  workload.discard_device(device.fd(), page);
  const wire::BlockDevice ours = device.of(row_of(daemon, cgroup.id()));
  wire::BlockDevice expected = reads_and_writes(0, 3);
  expected.discard_bytes = 65 * page;
  check_equal(ours, expected);
  check_equal(ours, device.completed());
  if (is_v2(cgroup)) check_equal(ours, io_stat_of(cgroup, device));
}

TEST_CASE("The bytes of a request that has to be split are counted once", "[any][io]") {
  const LoopDevice device;
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('6');
  Workload workload(cgroup);
  constexpr std::size_t large = 8 << 20;
  workload.read_device(device.fd(), 1, large);
  const wire::BlockDevice ours = device.of(row_of(daemon, cgroup.id()));
  CHECK(ours.read_bytes == large);
  CHECK(device.stat().counted.reads > 1);  // it was split
  CHECK(ours.reads > 1);
}

TEST_CASE("Block I/O under load lies between two looks at the device and never goes back", "[any][io]") {
  const LoopDevice device;
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('6');
  const TestCgroup nested('6', "/nested");
  Workload one(cgroup);
  Workload two(nested);
  // In v2 each read of the file moves figures about.
  const std::string path = is_v2(cgroup) ? cgroup.file_path("blkio", "io.stat") : "/dev/null";
  const std::jthread reader([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::ifstream file(path);
      std::stringstream text;
      text << file.rdbuf();
      usleep(1000);
    }
  });
  wire::BlockDevice last;
  int moved = 0;
  std::uint64_t rounds = 0;
  const auto look = [&] {
    const LoopDevice::Stat before = device.stat();
    const wire::BlockDevice ours = device.of(row_of(daemon, cgroup.id()));
    const LoopDevice::Stat after = device.stat();
    // The cgroup counts what was asked for, the device what it has done, and that only after the process got its answer: each
    // of two processes may have its next request under way before its last one is counted.
    constexpr std::uint64_t ahead = 4;
    CHECK(ours.reads >= before.counted.reads);
    CHECK(ours.reads <= after.counted.reads + ahead);
    CHECK(ours.read_bytes >= before.counted.read_bytes);
    CHECK(ours.read_bytes <= after.counted.read_bytes + ahead * page);
    CHECK(ours.reads >= last.reads);
    CHECK(ours.read_bytes >= last.read_bytes);
    moved += ours.reads > last.reads ? 1 : 0;
    last = ours;
  };
  // How often one can look while a round is under way is up to the machine.
  for (; moved <= 3 && rounds < 10; ++rounds) {
    one.start_reading_device(device.fd(), 3000);
    two.start_reading_device(device.fd(), 3000);
    while (!one.is_done()) look();
    two.wait_done();
  }
  CHECK(moved > 3);
  check_equal(device.of(row_of(daemon, cgroup.id())), reads_and_writes(rounds * 6000, 0));
}

TEST_CASE("What a removed nested cgroup read and wrote stays with its container", "[any][io][removed]") {
  const LoopDevice device;
  Daemon daemon;
  const TestCgroup cgroup('6');
  Workload workload(cgroup);
  workload.read_device(device.fd(), 1);
  std::uint64_t reads = 1;
  for (int round = 0; round < 3; ++round) {
    TestCgroup nested('6', "/nested");
    {
      Workload inside(nested);
      inside.read_device(device.fd(), 20);
    }
    reads += 20;
    check_equal(device.of(row_of(daemon, cgroup.id())), reads_and_writes(reads, 0));
    // In v2 only what is carried up before the end is sure to stay, in the kernel's own files as well.
    if (is_v2(cgroup)) check_equal(io_stat_of(cgroup, device), reads_and_writes(reads, 0));
    nested.remove();
    for (int sample = 0; sample < 30; ++sample) {
      check_equal(device.of(row_of(daemon, cgroup.id())), reads_and_writes(reads, 0));
      usleep(10'000);
    }
  }
  workload.read_device(device.fd(), 4);
  check_equal(device.of(row_of(daemon, cgroup.id())), device.completed());

  daemon.end(SIGKILL);
  if (!is_v2(cgroup)) {
    TestCgroup nested('6', "/nested");
    Workload inside(nested);
    inside.read_device(device.fd(), 9);
    inside.end();
    nested.remove();
  }
  daemon.start();
  check_equal(device.of(row_of(daemon, cgroup.id())), device.completed());
}

TEST_CASE("A removed container's block I/O is reported with its last values", "[any][io][removed]") {
  const LoopDevice device;
  const Daemon& daemon = shared_daemon();
  std::string id;
  {
    TestCgroup cgroup('6');
    id = cgroup.id();
    {
      Workload workload(cgroup);
      workload.read_device(device.fd(), 6);
      workload.write_device(device.fd(), 2);
    }
    cgroup.remove();
  }
  const wire::Container row = row_of(daemon, id);
  CHECK(row.removed);
  check_equal(device.of(row), reads_and_writes(6, 2));
  CHECK(daemon.dump().snapshot.guest.block_devices_unreported == 0);
}
