#include "host-probe/sandbox.h"

#include <fmt/format.h>

#include <thread>
#include <utility>

#include "userspace/log.h"

namespace katameter {

Sandbox::Sandbox(EventLoop& loop, TimerQueue& timers, const SandboxPlace& place, FindVmm find_vmm, SandboxState state,
                 Settled settled, const GuestTiming& timing, std::uint32_t port)
    : id_(place.id),
      settled_(std::move(settled)),
      largest_claim_(std::thread::hardware_concurrency(), collect_deadline),
      sum_claim_(std::thread::hardware_concurrency(), collect_deadline),
      state_(std::move(state)),
      peer_(loop, timers, GuestAddress{place.directory, place.socket, port, place.reach, std::move(find_vmm)}, *this,
            timing) {}

SandboxReport Sandbox::report(SandboxState::Time now) {
  SandboxReport report;
  report.id = id_;
  report.oom_events = oom_events_;
  report.oom_kills_by_class = oom_kills_by_class_;
  report.rejected = rejected_;
  report.suspect = suspected_at_ && now - *suspected_at_ <= suspicion;
  state_.report(report, peer_.connected(), now);
  report.start_times = start_times_.of(report.containers);
  return report;
}

void Sandbox::check_claim(SandboxReport& report) {
  if (!report.guest_up || !report.processes) return;
  const auto vcpu = report.processes->cpu.find(Role::vcpu);
  // Where vCPUs cannot be told apart, or the host's kernel does not count waiting, nobody knows what they were given.
  if (vcpu == report.processes->cpu.end() || vcpu->second.run_delay_ns == 0) return;
  const auto claimed_ns = claimed_cpu_ns(report.guest, report.containers);
  if (!claimed_ns) return;
  const std::uint64_t given_ns = vcpu->second.cpu_ns + vcpu->second.run_delay_ns;
  const std::uint64_t sum_ns = claimed_sum_.add(report.guest_boot, report.guest, report.containers);
  std::optional<Drop> broken = largest_claim_.check(report.guest_boot, *claimed_ns, given_ns);
  if (!broken) broken = sum_claim_.check(report.guest_boot, sum_ns, given_ns);
  if (!broken) return;
  count(*broken);
  report.rejected = rejected_;
  report.suspect = true;
  report.guest_up = false;
  report.containers.clear();
  report.start_times.clear();
  report.guest_cpu.reset();
  report.guest_system_cpu.reset();
  report.guest = {};
  report.interfaces.clear();
}

SandboxState Sandbox::end(SandboxState::Time now, HostOoms kills) {
  state_.end(now, std::move(kills));
  return std::move(state_);
}

void Sandbox::guest_connected(const wire::Hello& hello) {
  // A guest that connects over and over again has one line; another boot or guest-probe is worth another.
  const std::string run = hello.boot_id + "/" + hello.instance;
  const bool known = std::exchange(run_, run) == run;
  rules_.connected(hello.boot_id);
  events_.connected(hello);
  start_times_.connected(hello.boot_id);
  state_.connected(hello.boot_id, TimerQueue::Clock::now());
  log(known ? LogLevel::debug : LogLevel::info, "guest connected",
      {{"sandbox", id_.hex()},
       {"guest_probe", hello.version},
       {"kernel", hello.kernel},
       {"lacks", fmt::format("{}", fmt::join(hello.lacks, ","))}});
}

std::optional<Drop> Sandbox::guest_snapshot(const wire::Snapshot& snapshot) {
  const auto now = TimerQueue::Clock::now();
  std::optional<Drop> broken = rules_.check(snapshot, now);
  if (broken) {
    count(*broken);
  } else {
    state_.take_over(snapshot, now);
    start_times_.take_over(snapshot, std::chrono::system_clock::now());
  }
  settled_(id_);
  return broken;
}

void Sandbox::guest_oom_event(const wire::OomEvent& event) {
  if (!events_.is_new(event)) return;
  ++oom_events_;
  ++oom_kills_by_class_[static_cast<std::size_t>(event.oom_class)];
  const bool told = event_lines_.take(1, TimerQueue::Clock::now());
  const LogFields facts = describe(id_, event);
  log(told ? LogLevel::info : LogLevel::debug, "oom kill", facts);
}

void Sandbox::guest_refused(const Drop& drop, bool answer) {
  count(drop);
  if (answer) settled_(id_);
}

void Sandbox::guest_dropped(const Drop& drop) {
  if (is_fault(drop.reason)) {
    count(drop);
  } else {
    log_debug("guest not reached", {{"sandbox", id_.hex()}, {"reason", name(drop.reason)}, {"error", drop.text}});
  }
  settled_(id_);
}

void Sandbox::count(const Drop& drop) {
  ++rejected_[static_cast<std::size_t>(drop.reason)];
  if (is_suspect(drop.reason)) suspected_at_ = TimerQueue::Clock::now();
  const bool first = !logged_.test(static_cast<std::size_t>(drop.reason));
  logged_.set(static_cast<std::size_t>(drop.reason));
  log(first ? LogLevel::warning : LogLevel::debug, "guest rejected",
      {{"sandbox", id_.hex()}, {"reason", name(drop.reason)}, {"error", drop.text}});
}

}  // namespace katameter
