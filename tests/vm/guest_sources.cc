#include <arpa/inet.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include "guest-probe/collect/guest_wide.h"
#include "tests/vm/daemon.h"
#include "tests/vm/loop_device.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

using Table = std::map<std::string, std::uint64_t>;

Table read_meminfo() {
  std::ifstream file("/proc/meminfo");
  Table bytes;
  std::string name;
  std::uint64_t kibibytes = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    if (words >> name >> kibibytes) bytes[name.substr(0, name.size() - 1)] = kibibytes * 1024;
  }
  return bytes;
}

std::uint64_t shown_by_meminfo(const GuestSource& source) {
  const Table bytes = read_meminfo();
  std::uint64_t sum = 0;
  for (std::size_t line = 0; line < source.lines(); ++line) sum += bytes.at(std::string(source.meminfo[line]));
  return sum;
}

// An interface's line of /proc/net/dev (net/core/net-procfs.c); empty if there is none.
Table read_net_dev(const std::string& interface) {
  std::ifstream file("/proc/net/dev");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    if (!(words >> name) || name != interface + ":") continue;
    Table table;
    std::string skipped;
    words >> table["receive_bytes"] >> table["receive_packets"] >> table["receive_errors"] >> table["receive_dropped"];
    for (int i = 0; i < 4; ++i) words >> skipped;
    words >> table["transmit_bytes"] >> table["transmit_packets"] >> table["transmit_errors"];
    words >> table["transmit_dropped"];
    REQUIRE(words);
    return table;
  }
  return {};
}

// The file of a disk itself (block/genhd.c, part_stat_show()), with bytes for sectors.
wire::Disk read_block_stat(const LoopDevice& device) {
  std::ifstream file("/sys/block/loop" + std::to_string(device.minor()) + "/stat");
  wire::Disk disk{.major = 7, .minor = device.minor()};
  for (const wire::DiskFigure& figure : wire::disk_figures) {
    REQUIRE(file >> disk.*figure.value);
    if (figure.name.ends_with("_bytes")) disk.*figure.value *= 512;
  }
  return disk;
}

const wire::Disk* find_disk(const wire::Snapshot& snapshot, const LoopDevice& device) {
  const auto found = std::find_if(snapshot.disks.begin(), snapshot.disks.end(), [&](const wire::Disk& disk) {
    return disk.major == 7 && disk.minor == device.minor();
  });
  return found == snapshot.disks.end() ? nullptr : &*found;
}

// Reads, writes, discards and flushes.
void use_disk(const LoopDevice& device) {
  constexpr std::size_t bytes = 1 << 20;
  const std::unique_ptr<void, decltype(&std::free)> data(std::aligned_alloc(4096, bytes), &std::free);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(pwrite(device.fd(), data.get(), bytes, i % 8 * static_cast<off_t>(bytes)) == bytes);
    REQUIRE(pread(device.fd(), data.get(), bytes, 0) == bytes);
  }
  std::array<std::uint64_t, 2> range{0, bytes};
  REQUIRE(ioctl(device.fd(), BLKDISCARD, range.data()) == 0);
  REQUIRE(fsync(device.fd()) == 0);
}

void run(const std::string& command) {
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

void send_datagrams(int count) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in gateway{};
  gateway.sin_family = AF_INET;
  gateway.sin_port = htons(9);
  REQUIRE(inet_pton(AF_INET, "10.0.2.2", &gateway.sin_addr) == 1);
  const std::string payload(500, 'x');
  for (int i = 0; i < count; ++i) {
    sendto(socket.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&gateway),
           sizeof(gateway));
    usleep(1000);
  }
}

const wire::Interface* find(const wire::Snapshot& snapshot, const std::string& name) {
  const auto found = std::find_if(snapshot.interfaces.begin(), snapshot.interfaces.end(),
                                  [&](const wire::Interface& link) { return link.name == name; });
  return found == snapshot.interfaces.end() ? nullptr : &*found;
}

// Compares at a moment at which the kernel's own file stood still.
void check_like_net_dev(const Daemon& daemon, const std::string& name) {
  INFO(name);
  for (int attempt = 0; attempt < 20; ++attempt) {
    const Table before = read_net_dev(name);
    const wire::Snapshot snapshot = daemon.dump().snapshot;
    if (read_net_dev(name) != before) continue;
    REQUIRE_FALSE(before.empty());
    const wire::Interface* ours = find(snapshot, name);
    REQUIRE(ours != nullptr);
    for (const wire::InterfaceFigure& figure : wire::interface_figures) {
      INFO(figure.name);
      CHECK(ours->*figure.value == before.at(std::string(figure.name)));
    }
    return;
  }
  FAIL("the interface never stood still");
}

}  // namespace

TEST_CASE("A block device has what its own file says, times and what is in flight included", "[any][guest]") {
  const LoopDevice device;
  const Daemon daemon;
  for (int attempt = 0; attempt < 20; ++attempt) {
    use_disk(device);
    const wire::Disk before = read_block_stat(device);
    const wire::Snapshot snapshot = daemon.dump().snapshot;
    const wire::Disk after = read_block_stat(device);
    // A disk counts a request after the waiting process got its answer.
    const auto moved = [&](const wire::DiskFigure& figure) { return before.*figure.value != after.*figure.value; };
    if (std::any_of(wire::disk_figures.begin(), wire::disk_figures.end(), moved)) continue;
    const wire::Disk* ours = find_disk(snapshot, device);
    REQUIRE(ours != nullptr);
    for (const wire::DiskFigure& figure : wire::disk_figures) {
      INFO(figure.name);
      CHECK(ours->*figure.value == before.*figure.value);
    }
    for (const auto counted :
         {&wire::Disk::reads, &wire::Disk::read_bytes, &wire::Disk::writes, &wire::Disk::write_bytes,
          &wire::Disk::discards, &wire::Disk::discard_bytes, &wire::Disk::io_ms}) {
      CHECK(ours->*counted > 0);
    }
    return;
  }
  FAIL("the device never stood still");
}

TEST_CASE("The whole guest's memory is what /proc/meminfo says", "[any][guest]") {
  const Daemon& daemon = shared_daemon();
  std::size_t compared = 0;
  // A figure at a time, and again if it moved, there and back even: somewhere in the guest a page is always on its way.
  for (const GuestSource& source : guest_sources) {
    if (source.lines() == 0) continue;
    ++compared;
    INFO(source.meminfo[0]);
    std::uint64_t before = 0;
    std::uint64_t after = 1;
    wire::Figure ours;
    bool same = false;
    for (int attempt = 0; attempt < 50 && !same; ++attempt) {
      if (attempt > 0) usleep(20'000);
      before = shown_by_meminfo(source);
      ours = daemon.dump().snapshot.guest.*source.figure;
      after = shown_by_meminfo(source);
      same = before == after && ours == before;
    }
    REQUIRE(ours);
    CHECK(*ours == before);
    CHECK(before == after);
  }
  CHECK(compared >= 10);

  const wire::Guest before = daemon.dump().snapshot.guest;
  const TestCgroup cgroup('1');
  Workload workload(cgroup);
  workload.touch_anonymous(16384);
  const wire::Guest after = daemon.dump().snapshot.guest;
  CHECK(*after.memory_anonymous_bytes > *before.memory_anonymous_bytes + (60u << 20));
  // What ended before is given back bit by bit meanwhile.
  CHECK(*after.memory_free_bytes + (32u << 20) < *before.memory_free_bytes);
  CHECK(after.memory_total_bytes == before.memory_total_bytes);
}

TEST_CASE("The network is what /proc/net/dev says, for a virtio device, and by the rules for names", "[any][guest]") {
  run("test -e /sys/class/net/eth0 || modprobe virtio_net");
  run("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0");
  const Daemon& daemon = shared_daemon();
  for (int round = 0; round < 3; ++round) {
    send_datagrams(20);
    check_like_net_dev(daemon, "eth0");
  }
  const wire::Snapshot snapshot = daemon.dump().snapshot;
  CHECK(find(snapshot, "lo") == nullptr);
  CHECK(snapshot.guest.interfaces_unreported == 0);
  // The gateway's answer to the question for its address is what came in.
  CHECK(find(snapshot, "eth0")->transmit_bytes > 20 * 500);
  CHECK(find(snapshot, "eth0")->receive_packets > 0);

  // The same device by other names: one that is left out, one that the host would not take, and an ordinary one.
  run("ip link set eth0 down && ip link set eth0 name veth0");
  const wire::Snapshot left_out = daemon.dump().snapshot;
  CHECK(left_out.interfaces.size() + 1 == snapshot.interfaces.size());
  CHECK(left_out.guest.interfaces_unreported == 0);
  run("ip link set veth0 name 'a\"b'");
  const wire::Snapshot odd = daemon.dump().snapshot;
  CHECK(odd.interfaces.size() + 1 == snapshot.interfaces.size());
  CHECK(odd.guest.interfaces_unreported == 1);
  run("ip link set 'a\"b' name net0");
  check_like_net_dev(daemon, "net0");
  run("ip link set net0 name eth0");
}
