#include "host-probe/node/guest_run.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/support/containers.h"
#include "tests/support/units.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

namespace {

constexpr HostTime noon{Time(1h), 1h, std::chrono::system_clock::time_point(1'800'000'000s)};

HostTime after(std::chrono::seconds passed) {
  return {noon.monotonic + passed, noon.boottime + passed, noon.wall + passed};
}

wire::Container started(std::uint64_t start_s, bool removed = false) {
  wire::Container made;
  made.id = id_of('a');
  made.start_boottime_ns = start_s * second_ns;
  made.removed = removed;
  return made;
}

wire::Snapshot snapshot(std::vector<wire::Container> containers, std::uint64_t boottime_s = 1000) {
  wire::Snapshot made;
  made.boottime_ns = boottime_s * second_ns;
  made.containers = std::move(containers);
  return made;
}

wire::Hello hello(const std::string& boot_id = "boot-1", const std::string& instance = "run-1") {
  wire::Hello made;
  made.boot_id = boot_id;
  made.instance = instance;
  return made;
}

using Cpu = std::map<ContainerId, std::uint64_t>;
using Costs = std::map<ContainerId, SharedCosts>;

/// The guest of one sandbox, whose report is made at once after each snapshot.
struct Guest {
  void take(const wire::Snapshot& snapshot, const HostTime& now = noon) {
    const auto drop = run.take(snapshot, now.monotonic, now, history);
    INFO((drop ? drop->text : ""));
    REQUIRE_FALSE(drop);
  }
  std::optional<GuestView> view(const HostTime& now = noon, bool waiting = false) {
    auto made = run.view(noon.monotonic, now.monotonic, waiting);
    if (made) {
      run.count_oom_kills(history.oom_kills, now.monotonic);
      run.reported();
      history.take_ended(*made, nullptr, now.monotonic);
      history.ended_containers.expire(now.monotonic);
    }
    return made;
  }
  Cpu ended() const {
    Cpu cpu;
    for (const EndedContainer& found : history.ended_containers.all()) {
      cpu.emplace(found.last->id, *found.last->cpu_usage_ns);
    }
    CHECK(cpu.size() == history.ended_containers.all().size());
    return cpu;
  }
  Cpu cpu(const HostTime& now = noon) {
    Cpu cpu;
    const auto made = view(now);
    REQUIRE(made);
    for (const wire::Container& found : made->containers) cpu.emplace(found.id, *found.cpu_usage_ns);
    CHECK(cpu.size() == made->containers.size());
    return cpu;
  }
  std::uint64_t oom_kills(char digit) const { return history.oom_kills.kills().at(id_of(digit)); }
  std::optional<std::int64_t> start_of_a() {
    const auto made = view();
    if (!made || made->start_times.empty()) return std::nullopt;
    return made->start_times.at(id_of('a'));
  }
  void begin(const wire::Hello& of) { run = GuestRun(of, CpuPlausibility(2, 500ms), &run); }

  SandboxHistory history;
  GuestRun run{hello(), CpuPlausibility(2, 500ms)};
};

std::uint64_t left_out(const Guest& guest, GuestEntry kind) {
  return guest.history.left_out.at(static_cast<std::size_t>(kind));
}

wire::Container numbered(std::uint64_t number, std::uint64_t cpu_ns, bool removed = false) {
  wire::Container made = container('0', cpu_ns, 0, removed);
  made.id = *ContainerId::from_hex(fmt::format("{:064x}", number));
  return made;
}

}  // namespace

TEST_CASE("a guest without an accepted snapshot has no part in a report") {
  Guest guest;
  CHECK_FALSE(guest.view());
  CHECK_FALSE(guest.view(noon, true));
}

TEST_CASE("a snapshot is reported while it is fresh, or while the next answer is on its way") {
  Guest guest;
  guest.take(snapshot({container('a', 1)}));
  REQUIRE(guest.view());
  CHECK_FALSE(guest.view()->late);
  CHECK(guest.view()->age_seconds == 0);
  CHECK_FALSE(guest.view(after(2s)));
  const auto late = guest.run.view(noon.monotonic + 2s, noon.monotonic + 32s, true);
  REQUIRE(late);
  CHECK(late->late);
  CHECK(late->age_seconds == 32);
  CHECK(late->containers.size() == 1);
}

TEST_CASE("last values of a removed container are there for every scraper, for five minutes") {
  Guest guest;
  guest.take(snapshot({container('a', 1), container('b', 1)}));
  guest.take(snapshot({container('a', 2), container('b', 7, 1, true)}));
  for (int scraper = 0; scraper < 2; ++scraper) {
    CHECK(guest.cpu() == Cpu{{id_of('a'), 2}});
    CHECK(guest.ended() == Cpu{{id_of('b'), 7}});
  }
  // Listed again because the acknowledgement was lost: it did not end again.
  guest.take(snapshot({container('a', 3), container('b', 7, 1, true)}), after(299s));
  CHECK(guest.cpu(after(299s)) == Cpu{{id_of('a'), 3}});
  CHECK(guest.ended() == Cpu{{id_of('b'), 7}});
  CHECK(guest.oom_kills('b') == 1);
  guest.take(snapshot({container('a', 4)}), after(300s));
  CHECK(guest.cpu(after(300s)) == Cpu{{id_of('a'), 4}});
  CHECK(guest.ended().empty());
}

TEST_CASE("a container that came and went between two scrapes is reported") {
  Guest guest;
  guest.take(snapshot({}));
  guest.take(snapshot({container('b', 50'000'000, 0, true)}));
  CHECK(guest.cpu().empty());
  CHECK(guest.ended() == Cpu{{id_of('b'), 50'000'000}});
}

TEST_CASE("a container that comes back under the same id replaces the one that ended") {
  Guest guest;
  guest.take(snapshot({container('b', 7, 0, true)}));
  CHECK(guest.cpu().empty());
  guest.take(snapshot({container('b', 1)}));
  CHECK(guest.cpu() == Cpu{{id_of('b'), 1}});
  CHECK(guest.ended().empty());
  guest.take(snapshot({container('b', 3, 0, true)}));
  CHECK(guest.cpu().empty());
  CHECK(guest.ended() == Cpu{{id_of('b'), 3}});
}

TEST_CASE("of too many ended containers the last are kept, the others are counted") {
  Guest guest;
  std::vector<wire::Container> removed;
  for (std::size_t i = 0; i < GuestRun::max_removed + 10; ++i) {
    removed.push_back(numbered(i, i, true));
    removed.back().cgroup = std::string(4000, 'x');
  }
  removed.front().oom_kills = 1;
  guest.take(snapshot(removed));
  CHECK(guest.cpu().empty());
  const auto& ended = guest.history.ended_containers.all();
  REQUIRE(ended.size() == EndedContainers::max);
  CHECK(ended.back().last->cpu_usage_ns == GuestRun::max_removed + 9);
  CHECK(ended.back().last->cgroup.empty());
  CHECK(left_out(guest, GuestEntry::ended_container) == removed.size() - EndedContainers::max);
  CHECK(guest.history.oom_kills.kills().at(removed.front().id) == 1);
}

TEST_CASE("a container's share of the host's CPU time ends with it, and is not reported twice") {
  Guest guest;
  guest.take(snapshot({container('a', 1), container('b', 7, 0, true)}));
  Account account;
  const SharedCosts of_a{10};
  const SharedCosts of_b{20, 21};
  account.container_costs = {{id_of('a'), of_a}, {id_of('b'), of_b}};
  const Account late = account;
  auto view = guest.run.view(noon.monotonic, noon.monotonic, false);
  REQUIRE(view);
  guest.run.reported();
  guest.history.take_ended(*view, &account, noon.monotonic);
  CHECK(account.container_costs == Costs{{id_of('a'), of_a}});
  REQUIRE(guest.history.ended_containers.all().size() == 1);
  CHECK(guest.history.ended_containers.all()[0].costs == of_b);
  // One that answers late still has it in the shares of the last step.
  account = late;
  view = guest.run.view(noon.monotonic, noon.monotonic, true);
  guest.history.take_ended(*view, &account, noon.monotonic);
  CHECK(account.container_costs == Costs{{id_of('a'), of_a}});
}

TEST_CASE("last values that came too late for one report are in the next") {
  Guest guest;
  guest.take(snapshot({container('b', 7, 0, true)}));
  REQUIRE_FALSE(guest.view(after(2s)));
  guest.take(snapshot({}), after(3s));
  CHECK(guest.cpu(after(3s)).empty());
  CHECK(guest.ended() == Cpu{{id_of('b'), 7}});
}

TEST_CASE("a guest whose snapshots are never reported does not fill the memory with removed containers") {
  Guest guest;
  for (std::size_t i = 0; i < GuestRun::max_removed + 100; ++i) {
    guest.take(snapshot({container('b', i, 0, true)}));
  }
  guest.take(snapshot({container('b', 1'000'000, 1, true)}));
  guest.run.count_oom_kills(guest.history.oom_kills, noon.monotonic);
  CHECK(guest.oom_kills('b') == 1);
  CHECK(guest.run.waiting_removed() == GuestRun::max_removed);
  CHECK(guest.cpu().empty());
  CHECK(guest.ended() == Cpu{{id_of('b'), 1'000'000}});
}

TEST_CASE("of a snapshot that is not believed nothing is reported or counted") {
  Guest guest;
  guest.take(snapshot({container('a', 1, 2), container('b', 7, 1, true)}));
  guest.run.drop_snapshot();
  CHECK_FALSE(guest.view(noon, true));
  guest.run.count_oom_kills(guest.history.oom_kills, noon.monotonic);
  CHECK(guest.history.oom_kills.empty());
  CHECK(guest.ended().empty());
  CHECK(guest.run.reported_living().empty());
}

TEST_CASE("of one id there is one row, the living one") {
  Guest guest;
  guest.take(snapshot({container('a', 90, 1, true), container('a', 95, 1, true), container('a', 3)}));
  CHECK(guest.cpu() == Cpu{{id_of('a'), 3}});
  CHECK(guest.oom_kills('a') == 2);
}

TEST_CASE("rows are in the order of their ids, whatever the guest's order") {
  Guest guest;
  guest.take(snapshot({container('c', 1), container('a', 1), container('b', 1, 0, true)}));
  const auto view = guest.view();
  REQUIRE(view);
  REQUIRE(view->containers.size() == 2);
  CHECK(view->containers[0].id == id_of('a'));
  CHECK(view->containers[1].id == id_of('c'));
}

TEST_CASE("a guest that names its interfaces ever anew makes no more series") {
  Guest guest;
  const std::size_t max = decltype(SandboxHistory::interface_names)::max_values;
  for (std::size_t i = 0; i < max + 10; ++i) {
    wire::Snapshot next = snapshot({});
    next.interfaces = {{"eth0", 1, 0, 0, 0, 0, 0, 0, 0}, {"x" + std::to_string(i), 1, 0, 0, 0, 0, 0, 0, 0}};
    guest.begin(hello("boot " + std::to_string(i)));
    guest.take(next);
    CHECK(guest.view()->interfaces.size() == (i + 1 < max ? 2 : 1));
  }
  CHECK(guest.view()->interfaces[0].name == "eth0");
  CHECK(left_out(guest, GuestEntry::interface) == 11);
}

TEST_CASE("a guest that numbers its block devices ever anew makes no more series") {
  Guest guest;
  const std::size_t max = decltype(SandboxHistory::block_device_numbers)::max_values;
  for (std::uint32_t i = 0; i < max + 10; ++i) {
    wire::Container busy = container('a', 1);
    busy.block_devices = {{253, 0, 1, 1, 1, 1}, {254, i, 1, 1, 1, 1}};
    guest.begin(hello("boot " + std::to_string(i)));
    guest.take(snapshot({busy}));
    const auto devices = guest.view()->containers.at(0).block_devices;
    CHECK(devices.size() == (i + 1 < max ? 2 : 1));
    CHECK(devices.at(0).major == 253);
  }
  CHECK(left_out(guest, GuestEntry::block_device) == 11);
}

TEST_CASE("the numbers of a guest's disks are bounded with those of its containers' devices") {
  Guest guest;
  const std::size_t max = decltype(SandboxHistory::block_device_numbers)::max_values;
  for (std::uint32_t i = 0; i < max + 10; ++i) {
    wire::Container busy = container('a', 1);
    busy.block_devices = {{253, 0, 1, 1, 1, 1}};
    wire::Snapshot next = snapshot({busy});
    next.disks = {{.major = 253, .minor = 0, .reads = 1}, {.major = 254, .minor = i, .reads = 1}};
    guest.begin(hello("boot " + std::to_string(i)));
    guest.take(next);
    CHECK(guest.view()->containers.at(0).block_devices.size() == 1);
    CHECK(guest.view()->disks.size() == (i + 1 < max ? 2 : 1));
  }
  CHECK(guest.view()->disks[0].major == 253);
  CHECK(left_out(guest, GuestEntry::block_device) == 11);
}

TEST_CASE("a guest that names its volumes ever anew makes no more series") {
  Guest guest;
  const std::size_t max = decltype(SandboxHistory::volumes)::max_values;
  for (std::size_t i = 0; i < max + 10; ++i) {
    wire::Snapshot next = snapshot({});
    next.volumes = {{"/shm", 1, 1, 1, 1}, {"/x" + std::to_string(i), 1, 1, 1, 1, 254, 0}};
    guest.begin(hello("boot " + std::to_string(i)));
    guest.take(next);
    CHECK(guest.view()->volumes.size() == (i + 1 < max ? 2 : 1));
  }
  CHECK(left_out(guest, GuestEntry::volume) == 11);
}

TEST_CASE("a guest that invents containers makes no more series, and what they use is unattributed") {
  Guest guest;
  const auto wide = [&](std::chrono::seconds passed) {
    const auto made = guest.view(after(passed));
    REQUIRE(made);
    return made->guest_wide;
  };
  std::vector<wire::Container> many;
  for (std::uint64_t i = 0; i < ContainerIds::max_new + 2; ++i) many.push_back(numbered(i, 100));
  for (wire::Container& one : many) one.memory_usage_bytes = 4096;
  guest.take(snapshot(many));
  CHECK(guest.cpu().size() == ContainerIds::max_new);
  CHECK(wide(0s).unattributed_containers == 2u);
  CHECK(wide(0s).unattributed_cpu_usage_ns == 200u);
  CHECK(wide(0s).unattributed_memory_usage_bytes == 8192u);
  CHECK(left_out(guest, GuestEntry::container) == 2);

  // Those that have series keep them, and the others stay without as long as they live, though others go.
  for (wire::Container& one : many) one.cpu_usage_ns = 110;
  many.erase(many.begin(), many.begin() + 1000);
  many.back().removed = true;
  guest.take(snapshot(many, 1001), after(3600s));
  CHECK(guest.cpu(after(3600s)).size() == ContainerIds::max_new - 1000);
  CHECK(guest.ended().empty());
  CHECK(wide(3600s).unattributed_containers == 1u);
  CHECK(wide(3600s).unattributed_cpu_usage_ns == 220u);
  CHECK(left_out(guest, GuestEntry::container) == 2);

  // An hour later there is room for some new ones.
  std::vector<wire::Container> others;
  for (std::uint64_t i = 0; i < ContainerIds::max_new; ++i) others.push_back(numbered(10'000 + i, 1));
  guest.take(snapshot(others, 1002), after(3600s));
  const std::size_t shown = guest.cpu(after(3600s)).size();
  CHECK(shown <= ContainerIds::max_new_per_hour);
  CHECK(shown + 1 >= ContainerIds::max_new_per_hour);  // a token may lack its last bit
  CHECK(wide(3600s).unattributed_cpu_usage_ns == 220u + ContainerIds::max_new - shown);
}

TEST_CASE("what containers without series ask of virtiofs is with what has no owner") {
  Guest guest;
  const auto take = [&](std::uint64_t requests, bool counted = true) {
    wire::Container listed = container('a', 1);
    wire::Container unlisted = container('b', 1);
    for (wire::Container* of : {&listed, &unlisted}) {
      of->virtiofs_reads = 1;
      of->virtiofs_others = requests - 1;
      of->virtiofs_read_bytes = 4096 * requests;
    }
    wire::Snapshot made = snapshot({listed, unlisted});
    if (counted) made.guest.virtiofs_unknown_requests = 5;
    guest.take(made);
    const auto view = guest.view();
    REQUIRE(view);
    return view->guest_wide;
  };
  CHECK(take(10).virtiofs_unknown_requests == 5u);
  guest.history.unknown_containers = {id_of('b')};
  CHECK(take(17).virtiofs_unknown_requests == 5u + 7);
  const wire::Guest last = take(20);
  CHECK(last.virtiofs_unknown_requests == 5u + 10);
  CHECK(last.virtiofs_unknown_read_bytes == 10u * 4096);
  CHECK_FALSE(last.virtiofs_unknown_written_bytes);
}

TEST_CASE("a container that the runtime does not list is unattributed, from what it had on, until it is listed") {
  Guest guest;
  const auto unattributed_ns = [&] {
    const auto made = guest.view();
    REQUIRE(made);
    return made->guest_wide.unattributed_cpu_usage_ns;
  };
  guest.take(snapshot({container('a', 10), container('b', 100)}));
  CHECK(guest.cpu().size() == 2);
  CHECK_FALSE(unattributed_ns());
  guest.history.unknown_containers = {id_of('b')};
  guest.take(snapshot({container('a', 11), container('b', 105)}));
  CHECK(guest.cpu() == Cpu{{id_of('a'), 11}});
  CHECK(unattributed_ns() == 5u);
  CHECK(guest.view()->unlisted == std::vector{id_of('b')});
  CHECK(left_out(guest, GuestEntry::container) == 0);
  SECTION("listed after all") {
    guest.history.unknown_containers.clear();
    guest.take(snapshot({container('b', 120)}));
    CHECK(guest.cpu() == Cpu{{id_of('b'), 120}});
    CHECK(unattributed_ns() == 5u);
  }
  SECTION("removed, and forgotten by the runtime's cache meanwhile") {
    guest.history.unknown_containers.clear();
    guest.take(snapshot({container('b', 130, 0, true)}));
    CHECK(guest.cpu().empty());
    CHECK(guest.ended().empty());
    CHECK(unattributed_ns() == 30u);
  }
  SECTION("another instance of guest-probe in the same boot") {
    guest.begin(hello("boot-1", "run-2"));
    guest.take(snapshot({container('b', 107)}));
    CHECK(unattributed_ns() == 7u);
  }
}

TEST_CASE("a Hello's texts are labels in a fixed form only") {
  wire::Hello hello;
  hello.version = "0.2.0~rc1+git-3_x";
  hello.kernel = std::string(64, '6');
  hello.lacks = {"task iterator", "memory_rss_bytes"};
  const GuestInfo good = guest_info(hello);
  CHECK(good.version == hello.version);
  CHECK(good.kernel == hello.kernel);
  CHECK(good.missing == "task iterator,memory_rss_bytes");
  hello.kernel += '6';
  CHECK(guest_info(hello).kernel.empty());
  for (const char* odd : {"6.12 \"x\"", "<b>", "6.12,x", "{}", "a/b", "\xff"}) {
    INFO(odd);
    hello.version = hello.kernel = odd;
    CHECK(guest_info(hello).version.empty());
    CHECK(guest_info(hello).kernel.empty());
  }
}

TEST_CASE("what a guest cannot report is a text of bounded length that says when something is left out") {
  wire::Hello hello;
  hello.lacks = {GENERATE("one,two", "<b>", "\"")};
  CHECK(guest_info(hello).missing == "...");
  hello.lacks = {"one", "", "two", std::string(65, 'x')};
  CHECK(guest_info(hello).missing == "one,two,...");
  hello.lacks.assign(64, std::string(64, 'x'));
  const std::string most = guest_info(hello).missing;
  CHECK(most.size() <= max_label_bytes);
  CHECK(most.size() > max_label_bytes - 70);
  CHECK_THAT(most, Catch::EndsWith("x,..."));
}

TEST_CASE("another boot and another instance of guest-probe are another run, whose snapshots are not compared") {
  Guest guest;
  guest.take(snapshot({container('a', 100)}));
  CHECK(guest.run.is_of(hello()));
  const auto first = guest.view()->run;
  const auto other = GENERATE(hello("boot-2", "run-1"), hello("boot-1", "run-2"));
  CHECK_FALSE(guest.run.is_of(other));
  guest.begin(other);
  CHECK_FALSE(guest.view());
  guest.take(snapshot({container('a', 1)}, 1));
  // The kernel goes on counting while guest-probe starts again.
  CHECK(guest.view()->run == (guest.run.same_boot(hello()) ? first : first + 1));
}

TEST_CASE("OOM events of another run are new") {
  Guest guest;
  wire::OomEvent event;
  event.sequence = 9;
  CHECK(guest.run.take(event, noon.monotonic, guest.history));
  event.sequence = 1;
  CHECK_FALSE(guest.run.take(event, noon.monotonic, guest.history));
  guest.begin(hello("boot-1", "run-2"));
  CHECK(guest.run.take(event, noon.monotonic, guest.history));
  CHECK_FALSE(guest.run.take(event, noon.monotonic, guest.history));
}

TEST_CASE("another instance in the same boot does not report a removed container again") {
  Guest guest;
  guest.take(snapshot({container('b', 7, 1, true)}));
  CHECK(guest.cpu().empty());
  guest.begin(hello("boot-1", "run-2"));
  guest.take(snapshot({container('b', 7, 1, true)}), after(60s));
  CHECK(guest.cpu(after(60s)).empty());
  REQUIRE(guest.ended() == Cpu{{id_of('b'), 7}});
  CHECK(guest.history.ended_containers.all()[0].ended_at == noon.monotonic);
  CHECK(guest.oom_kills('b') == 1);
}

TEST_CASE("a guest that is restored to an earlier state loses one snapshot, the next is compared with it") {
  Guest guest;
  guest.take(snapshot({container('a', 100, 3), container('b', 5)}, 900));
  CHECK(guest.cpu().size() == 2);
  const wire::Snapshot restored = snapshot({container('a', 40, 1)}, 400);
  const auto drop = guest.run.take(restored, after(5s).monotonic, after(5s), guest.history);
  REQUIRE(drop);
  CHECK(drop->reason == DropReason::counter_fell);
  const auto before = guest.view()->run;
  guest.run = guest.run.after_step(restored, after(5s));
  CHECK_FALSE(guest.view());
  SECTION("what goes on from there is accepted") {
    guest.take(snapshot({container('a', 41, 1)}, 405), after(10s));
    CHECK(guest.view()->run > before);
    CHECK(guest.cpu() == Cpu{{id_of('a'), 41}});
  }
  SECTION("what falls again is not") {
    CHECK(guest.run.take(snapshot({container('a', 39, 1)}, 405), noon.monotonic, after(10s), guest.history));
  }
}

TEST_CASE("a clock that leaps either way costs one snapshot") {
  Guest guest;
  guest.take(snapshot({container('a', 100)}, 5000));
  const bool forward = GENERATE(true, false);
  const std::uint64_t leapt_s = forward ? 8605 : 105;
  const wire::Snapshot leap = snapshot({container('a', 101)}, leapt_s);
  const auto drop = guest.run.take(leap, after(5s).monotonic, after(5s), guest.history);
  REQUIRE(drop);
  CHECK(drop->reason == (forward ? DropReason::from_future : DropReason::counter_fell));
  CHECK_FALSE(is_suspect(drop->reason));
  guest.run = guest.run.after_step(leap, after(5s));
  for (int step = 1; step < 5; ++step) {
    guest.take(snapshot({container('a', 102)}, leapt_s + 5 * static_cast<std::uint64_t>(step)), after(5s + step * 5s));
  }
}

TEST_CASE("a node that was suspended together with its guests sees no leap of their clocks") {
  Guest guest;
  guest.take(snapshot({container('a', 100)}, 5000));
  HostTime resumed = after(5s);  // CLOCK_MONOTONIC stood still meanwhile
  resumed.boottime += 2h;
  resumed.wall += 2h;
  guest.take(snapshot({container('a', 101)}, 5000 + 7205), resumed);
}

TEST_CASE("a container's age in its guest is a time of the host's clock, and stays it") {
  Guest guest;
  guest.take(snapshot({started(90)}, 100));
  CHECK(guest.start_of_a() == 1'799'999'990);
  guest.take(snapshot({started(90)}, 130), after(31s));  // the clocks have drifted
  CHECK(guest.run.view(noon.monotonic, after(31s).monotonic, false)->start_times.at(id_of('a')) == 1'799'999'990);
}

TEST_CASE("a container that is made again begins again") {
  Guest guest;
  guest.take(snapshot({started(90)}, 100));
  HostTime later = noon;
  later.wall += 10s;
  guest.take(snapshot({started(105), started(90, true)}, 110), later);
  CHECK(guest.start_of_a() == 1'800'000'005);
}

TEST_CASE("a start after the snapshot is none") {
  Guest guest;
  guest.take(snapshot({started(101)}, 100));
  CHECK_FALSE(guest.start_of_a());
}

TEST_CASE("start times go on within one boot, whether guest-probe starts again or the clock leaps") {
  Guest guest;
  guest.take(snapshot({started(90)}, 100));
  SECTION("another instance") {
    guest.begin(hello("boot-1", "run-2"));
    guest.take(snapshot({started(90)}, 130));
    CHECK(guest.start_of_a() == 1'799'999'990);
  }
  SECTION("a leap") {
    guest.run = guest.run.after_step(snapshot({started(90)}, 3700), noon);
    guest.take(snapshot({started(90)}, 3701));
    CHECK(guest.start_of_a() == 1'799'999'990);
  }
  SECTION("another boot") {
    guest.begin(hello("boot-2", "run-1"));
    guest.take(snapshot({started(90)}, 91));
    CHECK(guest.start_of_a() == 1'799'999'999);
  }
}

TEST_CASE("of an ended sandbox the OOM kills and its containers are kept, for the window") {
  Guest guest;
  guest.take(snapshot({container('a', 1, 2)}));
  guest.run.count_oom_kills(guest.history.oom_kills, noon.monotonic);
  guest.run.reported();
  guest.history.end_containers(guest.run.reported_living(), {{id_of('a'), {5}}}, noon.monotonic);
  guest.history.end(noon.monotonic, {{Role::vmm, 1}, {Role::virtiofsd, 0}});
  CHECK(guest.oom_kills('a') == 2);
  CHECK(guest.history.host_ooms == HostOoms{{Role::vmm, 1}});
  CHECK(guest.history.ended_containers.all().at(0).costs == SharedCosts{5});
  CHECK_FALSE(guest.history.expire(noon.monotonic + OomKillCounters::window - 1s));
  CHECK(guest.history.has_values());
  CHECK(guest.history.expire(noon.monotonic + OomKillCounters::window));
  CHECK(guest.ended().empty());
}

TEST_CASE("a kill whose event came after the last snapshot is counted when the run ends, and not twice") {
  Guest guest;
  wire::OomEvent event;
  event.container = id_of('a');
  event.sequence = 1;
  event.boottime_ns = 1001 * second_ns;
  guest.take(snapshot({container('a', 1, 2)}, 1000));
  REQUIRE(guest.run.take(event, noon.monotonic, guest.history));
  REQUIRE_FALSE(guest.run.take(event, noon.monotonic, guest.history));
  SECTION("no snapshot has it") {
    guest.run.count_oom_kills(guest.history.oom_kills, noon.monotonic);
    guest.run.count_unreported_kills(guest.history.oom_kills, noon.monotonic);
    CHECK(guest.oom_kills('a') == 3);
  }
  SECTION("the next one has it") {
    guest.take(snapshot({container('a', 1, 3)}, 1002), after(2s));
    guest.run.count_oom_kills(guest.history.oom_kills, noon.monotonic);
    guest.run.count_unreported_kills(guest.history.oom_kills, noon.monotonic);
    CHECK(guest.oom_kills('a') == 3);
  }
  SECTION("of a container that no snapshot had") {
    event.container = id_of('b');
    event.sequence = 2;
    REQUIRE(guest.run.take(event, noon.monotonic, guest.history));
    guest.run.count_unreported_kills(guest.history.oom_kills, noon.monotonic);
    CHECK(guest.oom_kills('b') == 1);
  }
}
