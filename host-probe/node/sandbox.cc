#include "host-probe/node/sandbox.h"

#include <fmt/format.h>

#include <thread>
#include <utility>

#include "host-probe/own_metrics/own_metrics.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

CpuPlausibility new_plausibility() {
  return {std::thread::hardware_concurrency(), Sandbox::collect_deadline};
}

// Nothing where vCPUs cannot be identified, or the host's kernel does not count waiting: what they were given is not
// known.
std::optional<std::uint64_t> given_cpu_ns(const SandboxProcesses& host) {
  const auto vcpu = host.cpu.find(Role::vcpu);
  if (vcpu == host.cpu.end() || vcpu->second.run_delay_ns == 0) return std::nullopt;
  return vcpu->second.cpu_ns + vcpu->second.run_delay_ns;
}

}  // namespace

Sandbox::Sandbox(EventLoop& loop, TimerQueue& timers, const SandboxPlace& place, FindVmm find_vmm,
                 SandboxHistory history, SandboxListener& listener, const GuestTiming& timing, std::uint32_t port)
    : place_(std::make_shared<const SandboxPlace>(place)),
      listener_(listener),
      history_(std::move(history)),
      runtime_view_(new_plausibility()),
      client_(loop, timers, GuestAddress{place.directory, place.socket, port, place.reach, std::move(find_vmm)}, *this,
              timing) {
  history_.place = place_;
}

void Sandbox::miss_deadline() {
  count({DropReason::late,
         fmt::format("no answer within {} ms, it is waited for until the next scrape", collect_deadline.count())});
}

std::optional<GuestView> Sandbox::check_guest(Time began, Time now, const SandboxProcesses* host) {
  const std::optional<std::uint64_t> given_ns = host != nullptr ? given_cpu_ns(*host) : std::nullopt;
  const std::uint64_t mapped_bytes = host != nullptr && host->has_vmm() ? host->memory.vmm_mapped_bytes : 0;
  if (!run_) {
    runtime_view_.set_host(given_ns, mapped_bytes, now);
    return std::nullopt;
  }
  if (given_ns) run_->cpu_plausibility().set_given(*given_ns);
  if (!leaving_ && !client_.connected()) return std::nullopt;
  std::optional<GuestView> view = run_->view(began, now, leaving_ || client_.waiting());
  if (!view) return std::nullopt;
  std::optional<Drop> broken =
      given_ns ? run_->cpu_plausibility().check(view->guest_wide, view->containers) : std::nullopt;
  if (!broken) broken = check_memory(view->guest_wide, view->containers, mapped_bytes);
  if (broken) {
    count(*broken);
    run_->drop_snapshot();
    return std::nullopt;
  }
  run_->count_oom_kills(history_.oom_kills, now);
  run_->reported();
  return view;
}

std::optional<GuestView> Sandbox::runtime_view(const std::vector<ContainerStats>& stats, std::int64_t age_seconds,
                                               Time now) {
  if (run_) return std::nullopt;
  auto view = runtime_view_.update(stats, age_seconds, now);
  if (!view) {
    count(view.error());
    return std::nullopt;
  }
  // It has woken the guest, and the agent's hook may have started guest-probe with it.
  if (runtime_view_.take_started()) client_.look_again();
  history_.end_containers(runtime_view_.take_ended(), {}, now);
  history_.ended_containers.remove_living(view->containers);
  return *std::move(view);
}

void Sandbox::take_ended(GuestView& view, Account* account, Time now) {
  history_.take_ended(view, account, now);
  count_left_out();
}

void Sandbox::count_left_out() {
  const auto left_out = std::exchange(history_.left_out, {});
  for (std::size_t kind = 0; kind < left_out.size(); ++kind) {
    if (left_out[kind] == 0) continue;
    OwnMetrics::of_process().count_guest_entries_left_out(static_cast<GuestEntry>(kind), left_out[kind]);
    const bool first = !std::exchange(logged_left_out_, true);
    log(first ? LogLevel::warning : LogLevel::debug, "a guest has too many containers or devices, some have no series",
        {{"sandbox", id().text()}, {"kind", name(static_cast<GuestEntry>(kind))}, {"count", left_out[kind]}});
  }
}

SandboxReport Sandbox::report(Time now) {
  history_.oom_kills.expire(now);
  history_.ended_containers.expire(now);
  SandboxReport report;
  report.id = place_->id;
  report.place = place_;
  report.guest_info = info_;
  report.oom_kills = history_.oom_kills.kills();
  report.oom_events = history_.oom_events;
  report.oom_kills_by_class = history_.oom_kills_by_class;
  report.rejected = rejected_;
  report.ended_containers = history_.ended_containers.all();
  report.suspect = suspected_at_ && now - *suspected_at_ <= suspicion;
  return report;
}

SandboxHistory Sandbox::end(Time now, HostOoms kills, const std::map<ContainerId, SharedCosts>& costs) {
  if (run_) {
    history_.end_containers(run_->reported_living(), costs, now);
    history_.leave_out(GuestEntry::ended_container, run_->waiting_removed());  // nobody has checked them
    run_->count_oom_kills(history_.oom_kills, now);
    run_->count_unreported_kills(history_.oom_kills, now);
  } else {
    history_.end_containers(runtime_view_.living(), {}, now);
  }
  history_.end(now, std::move(kills));
  count_left_out();
  return std::move(history_);
}

void Sandbox::guest_connected(const wire::Hello& hello) {
  // A guest that connects over and over again has one line; another boot or guest-probe is worth another.
  const bool known = run_ && run_->is_of(hello);
  log(known ? LogLevel::debug : LogLevel::info, "guest connected",
      {{"sandbox", place_->id.text()},
       {"guest_probe", hello.version},
       {"kernel", hello.kernel},
       {"missing", fmt::format("{}", fmt::join(hello.lacks, ","))}});
  // Also of one that is known: what is missing changes while it learns.
  GuestInfo info = guest_info(hello);
  info_ = history_.guest_infos.admit(info) ? std::make_shared<const GuestInfo>(std::move(info)) : nullptr;
  if (known) return;
  if (run_) {
    const Time now = TimerQueue::Clock::now();
    run_->count_oom_kills(history_.oom_kills, now);
    history_.leave_out(GuestEntry::ended_container, run_->waiting_removed());  // nobody has checked them
    if (!run_->same_boot(hello)) {
      history_.end_containers(run_->reported_living(), {}, now);
      run_->count_unreported_kills(history_.oom_kills, now);
      history_.oom_kills.guest_booted(now);
    }
  }
  run_ = GuestRun(hello, new_plausibility(), run_ ? &*run_ : nullptr);
}

bool Sandbox::guest_snapshot(const wire::Snapshot& snapshot, Time asked) {
  const HostTime now = HostTime::now();
  const std::optional<Drop> broken = run_->take(snapshot, asked, now, history_);
  if (broken) {
    count(*broken);
    if (is_step(broken->reason)) {
      run_->count_oom_kills(history_.oom_kills, now.monotonic);
      history_.leave_out(GuestEntry::ended_container, run_->waiting_removed());
      history_.oom_kills.rebase(snapshot.containers);
      run_ = run_->after_step(snapshot, now);
    }
  }
  listener_.sandbox_answered(place_->id);
  return !broken;
}

void Sandbox::guest_oom_event(const wire::OomEvent& event) {
  if (!run_->take(event, TimerQueue::Clock::now(), history_)) return;
  history_.count(event);
  const bool has_line = event_lines_.take(1, TimerQueue::Clock::now());
  const LogFields facts = describe(place_->id, event);
  log(has_line ? LogLevel::info : LogLevel::debug, "oom kill", facts);
}

void Sandbox::guest_refused(const Drop& drop, bool answer) {
  count(drop);
  if (answer) listener_.sandbox_answered(place_->id);
}

void Sandbox::guest_disconnected(const Drop& drop) {
  const bool boots = !run_ && drop.reason == DropReason::silent && TimerQueue::Clock::now() - appeared_ < boot_time;
  if (is_fault(drop.reason) && !boots) {
    count(drop);
  } else {
    log_debug("guest not reached",
              {{"sandbox", place_->id.text()}, {"reason", name(drop.reason)}, {"error", drop.text}});
  }
  listener_.sandbox_answered(place_->id);
}

void Sandbox::count(const Drop& drop) {
  const Time now = TimerQueue::Clock::now();
  ++rejected_[static_cast<std::size_t>(drop.reason)];
  const bool too_many_steps = is_step(drop.reason) && !steps_.take(1, now);
  if (is_suspect(drop.reason) || too_many_steps) suspected_at_ = now;
  const bool first = !logged_.test(static_cast<std::size_t>(drop.reason));
  logged_.set(static_cast<std::size_t>(drop.reason));
  log(first ? LogLevel::warning : LogLevel::debug, "guest rejected",
      {{"sandbox", place_->id.text()}, {"reason", name(drop.reason)}, {"error", drop.text}});
}

}  // namespace katameter::host
