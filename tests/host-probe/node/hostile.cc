#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <list>
#include <memory>
#include <set>
#include <sstream>

#include "host-probe/node/node.h"
#include "tests/support/fake_guest.h"
#include "tests/support/rendered.h"
#include "tests/support/sanitized.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/units.h"
#include "userspace/wire/codec.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

constexpr int good_guests = 50;
constexpr int bad_guests = 50;

ContainerId numbered(int number) {
  std::string hex = std::to_string(number);
  return *ContainerId::from_hex(std::string(64 - hex.size(), '0') + hex);
}

enum Kind { floods, trickles, never_answers, huge_frame, future, falls, many_containers, events, mid_frame, nonsense };
constexpr int kinds = 10;
constexpr int of_each_kind = bad_guests / kinds;

Kind kind_of(int guest) {
  return static_cast<Kind>((guest - good_guests) / of_each_kind);
}

wire::Snapshot good_snapshot(std::uint64_t request, std::uint64_t sequence) {
  wire::Snapshot made{request, sequence, 100 * second_ns + sequence, {}, {}, {}};
  for (int i = 1; i <= 4; ++i) {
    made.containers.emplace_back().id = numbered(i);
    made.containers.back().cpu_usage_ns = second_ns + sequence;
    made.containers.back().memory_usage_bytes = 1 << 20;
  }
  return made;
}

wire::OomEvent event(std::uint64_t sequence) {
  wire::OomEvent made;
  made.sequence = sequence;
  made.victim_comm = std::string(15, 'x');
  return made;
}

// Guests of the node, all good or of one kind, in a process of their own: what they waste is not the host's, nor that of
// other guests.
class Guests {
 public:
  Guests(const std::filesystem::path& root, int first, int end) : first_(first) {
    for (int i = first; i < end; ++i) {
      const auto folder = root / std::to_string(i);
      std::filesystem::create_directories(folder);
      guests_.push_back(std::make_unique<FakeGuest>(loop_, folder / "clh.sock"));
      if (i < good_guests) {
        guests_.back()->snapshot = [this](std::uint64_t request) { return good_snapshot(request, ++sequence_); };
      } else {
        spoil(*guests_.back(), kind_of(i));
      }
    }
  }

  [[noreturn]] void serve() {
    while (true) {
      loop_.pass(5ms);
      if (first_ < good_guests) continue;
      for (const auto& guest : guests_) pester(*guest, kind_of(first_));
    }
  }

 private:
  void spoil(FakeGuest& guest, Kind kind) {
    guest.snapshot = [this, kind, &guest](std::uint64_t request) -> std::optional<wire::Snapshot> {
      wire::Snapshot made = good_snapshot(request, ++sequence_);
      switch (kind) {
        case future: made.boottime_ns = sequence_ * 1000 * second_ns; break;
        case falls: made.containers[0].cpu_usage_ns = second_ns - sequence_; break;
        case many_containers: guest.send_bytes(crowd_); return std::nullopt;
        case huge_frame: guest.send_bytes("\x7f\xff\xff\xff"); return std::nullopt;
        case mid_frame:
          guest.send_bytes(wire::frame(wire::encode(wire::GuestMessage(made))).substr(0, 50));
          guest.close();
          return std::nullopt;
        case nonsense: guest.send_bytes(std::string("\0\0\0\x04\xff\xff\xff\xff", 8)); return std::nullopt;
        case never_answers: return std::nullopt;
        default: break;
      }
      return made;
    };
    if (kind == trickles) guest.connect_answer = "OK 1";  // and the rest byte by byte, in pester()
  }

  // Unasked, again and again.
  void pester(FakeGuest& guest, Kind kind) {
    if (!guest.open()) return;
    if (kind == trickles && ++ticks_ % 1000 == 0) guest.send_bytes("1");  // 5 of them, 200 ticks a second
    if (guest.received<wire::Hello>().empty()) return;
    std::string frames;
    if (kind == floods) {
      for (int i = 0; i < 40; ++i) frames += wire::frame(wire::encode(wire::GuestMessage(big_event_)));
    }
    if (kind == events) {
      for (int i = 0; i < 500; ++i) frames += wire::frame(wire::encode(wire::GuestMessage(event(++events_))));
    }
    if (!frames.empty()) guest.send_bytes(frames);
  }

  int first_;
  Loop loop_;
  std::vector<std::unique_ptr<FakeGuest>> guests_;
  std::uint64_t sequence_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t ticks_ = 0;
  // Made once: the host must be kept busy, not the guests.
  const std::string crowd_ = [] {
    wire::Snapshot made = good_snapshot(1, 1);
    for (int i = 0; i < 200'000; ++i) made.containers.emplace_back().id = numbered(i + 100);
    return wire::frame(wire::encode(wire::GuestMessage(made)));
  }();
  wire::OomEvent big_event_ = [] {
    wire::OomEvent made = event(1);
    made.cgroup = std::string(4000, 'y');
    return made;
  }();
};

class GuestProcess {
 public:
  GuestProcess(const std::filesystem::path& root, int first, int end) {
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      signal(SIGPIPE, SIG_IGN);
      Guests guests(root, first, end);
      static_cast<void>(write(ready[1], "r", 1) == 1);
      guests.serve();
    }
    close(ready[1]);
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
  }
  GuestProcess(const GuestProcess&) = delete;
  GuestProcess& operator=(const GuestProcess&) = delete;
  ~GuestProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = -1;
};

std::size_t resident_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

DropReason expected(Kind kind) {
  switch (kind) {
    case floods:
    case events: return DropReason::flood;
    case trickles:
    case never_answers: return DropReason::silent;
    case future: return DropReason::from_future;
    case falls: return DropReason::counter_fell;
    case mid_frame: return DropReason::truncated;
    case huge_frame:
    case many_containers:
    case nonsense: break;
  }
  return DropReason::malformed;
}

}  // namespace

TEST_CASE("50 bad guests neither delay 50 good ones nor fill the host's memory") {
  const TemporaryDirectory folder;
  const GuestProcess good(folder.path(), 0, good_guests);
  std::list<GuestProcess> bad;
  for (int first = good_guests; first < good_guests + bad_guests; first += of_each_kind) {
    bad.emplace_back(folder.path(), first, first + of_each_kind);
  }
  Loop loop;
  GuestTiming timing;
  timing.answer_timeout = 2s;
  timing.connect_timeout = 2s;
  Node node(loop.events(), loop.timers(), nullptr, nullptr, timing);
  for (int i = 0; i < good_guests + bad_guests; ++i) {
    node.sandbox_appeared({numbered(i), folder.path() / std::to_string(i), "clh.sock", "cloud-hypervisor"});
  }
  loop.pass(500ms);
  const std::size_t before_kb = resident_kb();
  std::size_t max_kb = before_kb;
  std::shared_ptr<const NodeReport> report;
  const auto end = std::chrono::steady_clock::now() + 15s;
  int rounds = 0;
  int late = 0;
  while (std::chrono::steady_clock::now() < end) {
    report = nullptr;
    node.collect([&](auto made) { report = std::move(made); });
    REQUIRE(loop.until([&] { return report != nullptr; }));
    ++rounds;
    for (int i = 0; i < good_guests; ++i) {
      const SandboxReport& sandbox = report->sandboxes.at(static_cast<std::size_t>(i));
      if (!sandbox.guest || sandbox.guest->age_seconds > 1 || sandbox.guest->containers.size() != 4) ++late;
      CHECK_FALSE(sandbox.suspect);
    }
    max_kb = std::max(max_kb, resident_kb());
    loop.pass(100ms);
  }
  INFO(rounds << " rounds, " << max_kb - before_kb << " kB more than before");
  CHECK(rounds >= 10);
  CHECK(late * 20 <= rounds * good_guests);  // on a busy machine some are late; if bad guests cost time, most are
  CHECK(max_kb - before_kb < 64 * 1024 + quarantine_kb);
  for (int i = good_guests; i < good_guests + bad_guests; ++i) {
    const Kind kind = kind_of(i);
    const SandboxReport& sandbox = report->sandboxes.at(static_cast<std::size_t>(i));
    std::string counted;
    for (std::size_t reason = 0; reason < drop_reasons; ++reason) {
      if (sandbox.rejected[reason] == 0) continue;
      counted.append(name(static_cast<DropReason>(reason)))
          .append(" " + std::to_string(sandbox.rejected[reason]) + " ");
    }
    INFO("a guest of kind " << kind << ", counted: " << counted);
    // One that never says Hello may be booting.
    if (kind != trickles) CHECK(sandbox.rejected[static_cast<std::size_t>(expected(kind))] > 0);
    // An honest guest takes a step now and then, not at each scrape.
    CHECK(sandbox.suspect == (is_suspect(expected(kind)) || is_step(expected(kind))));
    if (sandbox.guest) CHECK(sandbox.guest->containers.size() <= 4);
  }
}

namespace {

ContainerId numbered_id(std::uint64_t number) {
  return *ContainerId::from_hex(fmt::format("{:064x}", number));
}

std::size_t series_in(const std::string& text) {
  std::size_t series = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) series += line.starts_with('#') ? 0 : 1;
  return series;
}

/// A guest with new containers at each scrape, living and removed, and with an OOM kill in one that nobody has seen; now
/// and then another guest-probe connects.
class Inventor {
 public:
  wire::Snapshot snapshot(std::uint64_t scrape) {
    wire::Snapshot made{scrape, scrape, (scrape + 100) * 30 * second_ns, {}, {}, {}};
    made.guest.memory_total_bytes = std::uint64_t{1} << 40;
    for (int i = 0; i < 400; ++i) {
      wire::Container& container = made.containers.emplace_back();
      container.id = numbered_id(++ids_);
      container.removed = i % 4 == 0;
      container.cgroup = std::string(200, 'x');
      for (const wire::ContainerFigure& figure : wire::container_figures) container.*figure.value = 1000;
      container.block_devices = {{static_cast<std::uint32_t>(ids_ % 4096), 0, 1, 1, 1, 1}};
    }
    made.interfaces = {{"x" + std::to_string(scrape), 1, 0, 0, 0, 0, 0, 0, 0}};
    return made;
  }
  wire::OomEvent kill(std::uint64_t scrape) {
    wire::OomEvent made = event(scrape + 1);
    made.container = numbered_id(++ids_);
    made.boottime_ns = (scrape + 101) * 30 * second_ns;
    return made;
  }

 private:
  std::uint64_t ids_ = 0;
};

}  // namespace

TEST_CASE("a day of new containers at each scrape fills neither host-probe's memory nor Prometheus") {
  const bool late = GENERATE(false, true);  // every answer comes after the report that asked for it
  Inventor guest;
  SandboxHistory history;
  const CpuPlausibility cpu(2, Sandbox::collect_deadline);
  wire::Hello hello;
  GuestRun run(hello, cpu);
  std::set<ContainerId> with_series;
  std::size_t max_series = 0;
  std::size_t before_kb = 0;
  std::size_t max_kb = 0;
  constexpr std::uint64_t scrapes = 24 * 120;
  const HostTime begin = HostTime::now();
  for (std::uint64_t scrape = 0; scrape < scrapes; ++scrape) {
    HostTime now = begin;
    now.monotonic += scrape * 30s;
    now.boottime += scrape * 30s;
    now.wall += scrape * 30s;
    if (scrape % 60 == 59) {
      hello.instance = std::to_string(scrape);
      run.count_unreported_kills(history.oom_kills, now.monotonic);
      run = GuestRun(hello, cpu, &run);
    }
    const auto drop = run.take(guest.snapshot(scrape), now.monotonic, now, history);
    INFO((drop ? drop->text : ""));
    REQUIRE_FALSE(drop);
    run.take(guest.kill(scrape), now.monotonic, history);
    const auto reported = now.monotonic + (late ? 30s : 0s);
    std::optional<GuestView> view = run.view(reported, reported, late);
    REQUIRE(view);
    run.count_oom_kills(history.oom_kills, reported);
    run.reported();
    history.take_ended(*view, nullptr, reported);
    history.expire(reported);

    NodeReport report;
    SandboxReport& sandbox = report.sandboxes.emplace_back();
    sandbox.id = numbered(0);
    sandbox.oom_kills = history.oom_kills.kills();
    sandbox.ended_containers = history.ended_containers.all();
    for (const wire::Container& container : view->containers) with_series.insert(container.id);
    for (const EndedContainer& container : sandbox.ended_containers) with_series.insert(container.last->id);
    for (const auto& [id, kills] : sandbox.oom_kills) with_series.insert(id);
    sandbox.guest = std::move(view);
    if (scrape < 12 || scrape % 120 == 0) max_series = std::max(max_series, series_in(rendered_text(report)));
    if (scrape == 12) before_kb = resident_kb();
    max_kb = std::max(max_kb, scrape >= 12 ? resident_kb() : 0);
  }
  WARN((late ? "late answers: " : "answers in time: ")
       << with_series.size() << " container ids with series in a day, up to " << max_series << " series in one scrape, "
       << max_kb - before_kb << " KiB more memory after the first minutes");
  CHECK(with_series.size() <= ContainerIds::max_new + 24 * ContainerIds::max_new_per_hour + 1);
  CHECK(max_series < 64'000);
  CHECK(max_kb - before_kb < 8 * 1024 + quarantine_kb);
  CHECK(history.ended_containers.all().size() <= EndedContainers::max);
  CHECK(history.left_out[static_cast<std::size_t>(GuestEntry::container)] > 1'000'000);
}
