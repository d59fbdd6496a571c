#include "host-probe/node/node.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "userspace/log.h"

namespace katameter::host {
namespace {

std::optional<GuestMemoryReading> memory_reading(const GuestView& guest) {
  const wire::Guest& wide = guest.guest_wide;
  if (!wide.memory_total_bytes || !wide.memory_free_bytes) return std::nullopt;
  GuestMemoryReading reading{*wide.memory_total_bytes, *wide.memory_free_bytes, wide.memory_cache_bytes.value_or(0),
                             wide.unattributed_memory_usage_bytes.value_or(0)};
  for (const wire::Container& container : guest.containers) {
    if (!container.removed) reading.workload += container.memory_usage_bytes.value_or(0);
  }
  return reading;
}

std::optional<GuestReading> reading_of(const std::optional<GuestView>& guest) {
  if (!guest) return std::nullopt;
  GuestReading reading{guest->late, std::nullopt, memory_reading(*guest), &guest->containers, &guest->guest_wide};
  if (guest->cpu) {
    reading.cpu = {guest->run, guest->cpu->workload_ns + guest->cpu->guest_system_ns, guest->cpu->workload_ns};
  }
  return reading;
}

std::map<ContainerId, WritableLayer> layers_of(const std::vector<ContainerStats>& stats) {
  std::map<ContainerId, WritableLayer> layers;
  for (const ContainerStats& container : stats) {
    if (!container.layer_bytes && !container.layer_inodes) continue;
    layers[container.id] = {container.layer_bytes, container.layer_inodes};
  }
  return layers;
}

double seconds_since(Sandbox::Time begin) {
  return std::chrono::duration<double>(TimerQueue::Clock::now() - begin).count();
}

}  // namespace

Node::Node(EventLoop& loop, TimerQueue& timers, ProcessSource* processes, Names* names, const GuestTiming& timing,
           std::uint32_t guest_port, std::chrono::milliseconds end_after, PodStats* stats)
    : loop_(loop),
      timers_(timers),
      processes_(processes),
      names_(names),
      stats_(stats),
      timing_(timing),
      guest_port_(guest_port),
      end_after_(end_after),
      dead_(processes, guest_port),
      cpu_(names),
      ended_(names, cpu_) {
  if (names_ == nullptr) return;
  names_->on_answer([this] {
    if (report_ && !names_->answers_within(names_deadline)) answer();
  });
}

Node::~Node() {
  if (names_ != nullptr) names_->on_answer(nullptr);
  for (const Answer& answer : waiting_) answer(nullptr);
}

void Node::begin() {
  if (processes_ == nullptr) return;
  const auto before = processes_->collect();
  if (!before) return;
  for (const auto& [id, processes] : *before) accounting_[id].begin(processes);
}

void Node::sandbox_appeared(const SandboxPlace& place) {
  if (sandboxes_.contains(place.id)) end(place.id);
  dead_.remove(place.id);
  if (processes_ != nullptr) processes_->catch_up();
  if (!dead_.is_dead(place)) return add(place);
  dead_.add(place);
  // A socket has its name a moment before somebody listens at it.
  look_again_ = timers_.after(std::chrono::seconds(1), [this] { find_living(); });
}

void Node::add(const SandboxPlace& place) {
  log_info("sandbox appeared", {{"sandbox", place.id.text()},
                                {"hypervisor", place.hypervisor},
                                {"socket", place.directory + "/" + place.socket}});
  if (leaving_.contains(place.id)) end_leaving();
  if (processes_ != nullptr) processes_->follow(place.id, place.vm());
  if (place.other_id) {
    auto begun = accounting_.extract(*place.other_id);
    if (begun && !accounting_.contains(place.id)) {
      begun.key() = place.id;
      accounting_.insert(std::move(begun));
    }
  }
  // One of this id that was here a short while ago goes on counting where it ended.
  auto before = ended_.take(place.id);
  const auto find_vmm = [this, id = place.id] { return processes_ != nullptr ? processes_->vmm(id) : std::nullopt; };
  SandboxListener& listener = *this;
  SandboxHistory history;
  if (before) {
    history = std::move(before->history);
    accounting_.insert_or_assign(place.id, std::move(before->accounting));
  }
  auto sandbox =
      std::make_unique<Sandbox>(loop_, timers_, place, find_vmm, std::move(history), listener, timing_, guest_port_);
  Sandbox& added = *(sandboxes_[place.id] = std::move(sandbox));
  added.start();
  if (const auto pod = cri_pod(place.id)) names_->sandbox_appeared(*pod);
}

void Node::sandbox_gone(const SandboxId& id) {
  dead_.remove(id);
  if (!sandboxes_.contains(id)) return;
  if (processes_ == nullptr || !processes_->vmm(id)) return end(id);
  without_place_[id] = timers_.after(end_after_, [this, id] {
    check_vmm_of(id);
    if (!without_place_.contains(id)) return;
    log_warning("a VMM outlives its sandbox's directory: it is still measured",
                {{"sandbox", id.text()}, {"pid", processes_->vmm(id).value_or(0)}});
  });
}

void Node::check_vmm_of(const SandboxId& id) {
  if (!processes_->vmm(id)) end(id);
}

void Node::find_living() {
  for (const SandboxPlace& place : dead_.take_living()) add(place);
}

// Sandboxes whose VMM outlived the directory and has ended, and those that died and left it.
void Node::find_dead() {
  std::vector<SandboxId> ended;
  for (const auto& [id, timer] : without_place_) ended.push_back(id);
  for (const SandboxId& id : ended) check_vmm_of(id);
  std::vector<SandboxPlace> died;
  for (const auto& [id, sandbox] : sandboxes_) {
    if (sandbox->may_be_dead(processes_ != nullptr) && !without_place_.contains(id) &&
        dead_.is_dead(sandbox->place())) {
      died.push_back(sandbox->place());
    }
  }
  for (const SandboxPlace& place : died) {
    end(place.id);
    dead_.add(place);
  }
}

void Node::end(const SandboxId& id) {
  const auto found = sandboxes_.find(id);
  if (found == sandboxes_.end()) return;
  without_place_.erase(id);
  log_info("sandbox gone", {{"sandbox", id.text()}});
  Leaving leaving{std::move(found->second), TimerQueue::Clock::now(), false};
  sandboxes_.erase(found);
  // Where the VMM has ended, its connection has as well, and the answer is that nothing comes any more.
  if (!leaving.sandbox->collect_last()) {
    end(id, std::move(leaving), std::nullopt);
    return sandbox_answered(id);
  }
  if (leaving_.empty()) leaving_deadline_ = timers_.after(Sandbox::collect_deadline, [this] { end_leaving(); });
  leaving_.insert_or_assign(id, std::move(leaving));
}

void Node::end_leaving() {
  leaving_deadline_.cancel();
  auto leaving = std::exchange(leaving_, {});
  std::optional<ProcessesBySandbox> processes;
  // One pass for all of them, and none where no guest has answered.
  if (std::ranges::any_of(leaving, [](const auto& item) { return item.second.sandbox->unreported(); })) {
    processes = read_processes();
  }
  bool was_awaited = false;
  for (auto& [id, one] : leaving) {
    std::optional<SandboxProcesses> host;
    if (processes) {
      if (auto found = processes->extract(id)) host = std::move(found.mapped());
    }
    end(id, std::move(one), std::move(host));
    was_awaited |= awaited_.erase(id) > 0;
  }
  if (processes) ended_.update(*processes, TimerQueue::Clock::now());
  if (was_awaited && awaited_.empty()) finish();
}

void Node::end(const SandboxId& id, Leaving leaving, std::optional<SandboxProcesses> host) {
  const auto now = TimerQueue::Clock::now();
  ended_.expire(now);
  // The last snapshot is checked and accounted as any other.
  if (leaving.sandbox->unreported()) {
    static_cast<void>(report_of(*leaving.sandbox, std::move(host), leaving.asked, now));
  }
  HostOoms kills = processes_ != nullptr ? processes_->forget(id) : HostOoms();
  for (const auto& [role, count] : kills) {
    if (count == 0) continue;
    log_warning("oom kill on the host", {{"sandbox", id.text()}, {"role", name(role)}, {"count", count}});
  }
  auto accounting = accounting_.extract(id);
  const std::map<ContainerId, SharedCosts> none;
  const auto& costs = accounting ? accounting.mapped().container_costs() : none;
  SandboxHistory history = leaving.sandbox->end(now, std::move(kills), costs);
  ended_.add(id, std::move(history), accounting ? std::optional(std::move(accounting.mapped())) : std::nullopt,
             processes_ != nullptr && processes_->has_last_values(id));
  if (!ended_.update_due()) return;
  if (std::optional<ProcessesBySandbox> processes = read_processes()) ended_.update(*processes, now);
}

// A sandbox whose id no CRI runtime made has no names that could be asked for.
std::optional<ContainerId> Node::cri_pod(const SandboxId& id) const {
  return names_ != nullptr ? id.cri_id() : std::nullopt;
}

void Node::collect(Answer answer) {
  waiting_.push_back(std::move(answer));
  if (waiting_.size() > 1) return;
  started_ = TimerQueue::Clock::now();
  // In another order each time: the guest that is asked first is answered first, and none must always be the last.
  std::vector<Sandbox*> order;
  for (const auto& [id, sandbox] : sandboxes_) order.push_back(sandbox.get());
  std::ranges::shuffle(order, random_);
  for (Sandbox* sandbox : order) {
    if (sandbox->collect()) awaited_.insert(sandbox->id());
  }
  for (const auto& [id, leaving] : leaving_) {
    if (!leaving.answered) awaited_.insert(id);
  }
  if (awaited_.empty()) return finish();
  deadline_ = timers_.after(Sandbox::collect_deadline, [this] { finish(); });
}

void Node::sandbox_answered(const SandboxId& id) {
  const bool was_last = awaited_.erase(id) > 0 && awaited_.empty();
  // Soon, not now, and so below: both may end the sandbox, and it is the one that calls.
  if (was_last) deadline_ = timers_.after({}, [this] { finish(); });
  const auto leaving = leaving_.find(id);
  if (leaving == leaving_.end()) return;
  leaving->second.answered = true;
  const bool all = std::ranges::all_of(leaving_, [](const auto& item) { return item.second.answered; });
  if (all) leaving_deadline_ = timers_.after({}, [this] { end_leaving(); });
}

void Node::finish() {
  deadline_.cancel();
  const std::set<SandboxId> late = std::exchange(awaited_, {});
  for (const SandboxId& id : late) {
    if (const auto sandbox = sandboxes_.find(id); sandbox != sandboxes_.end()) sandbox->second->miss_deadline();
  }
  if (stats_ != nullptr) stats_->wanted();
  report_ = report({seconds_since(started_), late.empty()});
  add_names(*report_);
  if (names_ == nullptr || !names_->answers_within(names_deadline)) return answer();
  deadline_ = timers_.after(names_deadline, [this] { answer(); });
}

void Node::answer() {
  deadline_.cancel();
  const std::shared_ptr<NodeReport> done = std::exchange(report_, nullptr);
  for (SandboxReport& sandbox : done->sandboxes) {
    const auto pod = cri_pod(sandbox.id);
    if (auto names = pod ? names_->of(*pod) : nullptr) sandbox.names = std::move(names);
  }
  const auto now = TimerQueue::Clock::now();
  for (auto& [id, accounting] : accounting_) {
    const auto sandbox = sandboxes_.find(id);
    if (sandbox != sandboxes_.end()) cpu_.add(id, accounting, now - sandbox->second->appeared());
  }
  for (const auto& [id, sandbox] : sandboxes_) {
    if (const auto pod = cri_pod(id)) sandbox->set_unknown_containers(names_->unknown(*pod));
  }
  ended_.add_cpu();
  done->cpu_by_handler = cpu_.totals();
  done->duration_seconds = seconds_since(started_);
  for (const Answer& answer : std::exchange(waiting_, {})) answer(done);
}

std::shared_ptr<NodeReport> Node::report(const CollectorReport& guests) {
  end_leaving();
  auto report = std::make_shared<NodeReport>();
  report->guests = guests;
  const auto now = TimerQueue::Clock::now();
  std::optional<ProcessesBySandbox> processes = read_processes();
  find_dead();
  find_living();
  end_leaving();
  report->sandboxes.reserve(sandboxes_.size());
  for (const auto& [id, sandbox] : sandboxes_) {
    std::optional<SandboxProcesses> host;
    if (processes) {
      if (auto found = processes->extract(id)) host = std::move(found.mapped());
    }
    report->sandboxes.push_back(report_of(*sandbox, std::move(host), started_, now));
  }
  if (processes) ended_.update(*processes, now);
  report->processes = {seconds_since(now), processes.has_value()};
  ended_.expire(now);
  ended_.report(report->sandboxes);
  const auto wall_time = std::chrono::system_clock::now().time_since_epoch();
  report->unix_seconds = std::chrono::floor<std::chrono::seconds>(wall_time).count();
  report->monotonic_seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  return report;
}

std::optional<Node::ProcessesBySandbox> Node::read_processes() {
  if (processes_ == nullptr) return std::nullopt;
  auto read = processes_->collect();
  if (!read) {
    log(std::exchange(process_error_logged_, true) ? LogLevel::debug : LogLevel::warning,
        "no host-side values in this scrape", {{"error", read.error().text}});
    return std::nullopt;
  }
  process_error_logged_ = false;
  return std::move(*read);
}

// Check, account, assemble: what is not believed is in neither the accounting nor the report.
SandboxReport Node::report_of(Sandbox& sandbox, std::optional<SandboxProcesses> host, Sandbox::Time began,
                              Sandbox::Time now) {
  std::optional<GuestView> guest = sandbox.check_guest(began, now, host ? &*host : nullptr);
  std::optional<Account> account;
  if (host) {
    if (host->has_vmm()) account = accounting_[sandbox.id()].update(*host, reading_of(guest));
    if (const auto known = accounting_.find(sandbox.id()); known != accounting_.end()) {
      host = known->second.since_begin(*std::move(host));
    }
  }
  const std::vector<ContainerStats>* stats = stats_of(sandbox.id());
  if (guest) {
    sandbox.take_ended(*guest, account ? &*account : nullptr, now);
  } else if (stats != nullptr) {
    // Not accounted: it is of another moment, and knows nothing of the guest beside its containers.
    guest = sandbox.runtime_view(*stats, stats_->age().count(), now);
  }
  SandboxReport report = sandbox.report(now);
  report.guest = std::move(guest);
  report.account = std::move(account);
  if (host) report.host_ooms = host->oom_kills;
  report.processes = std::move(host);
  if (stats != nullptr) report.layers = layers_of(*stats);
  return report;
}

const std::vector<ContainerStats>* Node::stats_of(const SandboxId& id) const {
  const auto pod = id.cri_id();
  return stats_ != nullptr && pod ? stats_->of(*pod) : nullptr;
}

// What has no name yet is looked up.
void Node::add_names(NodeReport& report) {
  if (names_ == nullptr) return;
  for (SandboxReport& sandbox : report.sandboxes) {
    const auto pod = cri_pod(sandbox.id);
    if (!pod) continue;
    if (sandbox.guest || sandbox.ended) {
      std::set<ContainerId> containers;
      if (sandbox.guest) {
        for (const wire::Container& container : sandbox.guest->containers) containers.insert(container.id);
        containers.insert(sandbox.guest->unlisted.begin(), sandbox.guest->unlisted.end());
      }
      for (const EndedContainer& container : sandbox.ended_containers) containers.insert(container.last->id);
      for (const auto& [container, kills] : sandbox.oom_kills) containers.insert(container);
      names_->containers_seen(*pod, containers);
    }
    sandbox.names = names_->of(*pod);
  }
  report.kata_pods = names_->kata_pods();
}

}  // namespace katameter::host
