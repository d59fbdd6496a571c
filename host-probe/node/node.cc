#include "host-probe/node/node.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "host-probe/guest/connect.h"
#include "host-probe/own_metrics/own_metrics.h"
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
  GuestReading reading{guest->late, std::nullopt, memory_reading(*guest), &guest->containers};
  if (guest->cpu) {
    reading.cpu = {guest->run, guest->cpu->workload_ns + guest->cpu->guest_system_ns, guest->cpu->workload_ns};
  }
  return reading;
}

double seconds_since(Sandbox::Time begin) {
  return std::chrono::duration<double>(TimerQueue::Clock::now() - begin).count();
}

}  // namespace

Node::Node(EventLoop& loop, TimerQueue& timers, ProcessSource* processes, Names* names, const GuestTiming& timing,
           std::uint32_t guest_port, std::chrono::milliseconds time_to_end)
    : loop_(loop),
      timers_(timers),
      processes_(processes),
      names_(names),
      timing_(timing),
      guest_port_(guest_port),
      time_to_end_(time_to_end) {
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

// Of what is behind a CID nothing is known without BPF, but by the VMM's process id in a file.
bool Node::is_dead(const SandboxPlace& place) const {
  if (processes_ != nullptr && (processes_->lives(place.id) || processes_->lives(place.vm()))) return false;
  const auto find_vmm = [this, &place] { return processes_ != nullptr ? processes_->vmm(place.id) : std::nullopt; };
  const Status found = look_for_vmm({place.directory, place.socket, guest_port_, place.reach, find_vmm});
  if (found) return false;
  const int code = found.error().code;
  if (place.reach == Reach::hybrid) return code == ECONNREFUSED;
  return code == ESRCH || (code == ENOENT && processes_ != nullptr);
}

void Node::sandbox_appeared(const SandboxPlace& place) {
  if (sandboxes_.contains(place.id)) end(place.id);
  dead_.erase(place.id);
  if (processes_ != nullptr) processes_->catch_up();
  if (!is_dead(place)) return add(place);
  dead_.emplace(place.id, Dead{place});
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
  auto before = ended_.extract(place.id);
  const auto find_vmm = [this, id = place.id] { return processes_ != nullptr ? processes_->vmm(id) : std::nullopt; };
  SandboxListener& listener = *this;
  SandboxHistory history;
  if (before) {
    history = std::move(before.mapped().history);
    accounting_.insert_or_assign(place.id, std::move(before.mapped().accounting));
  }
  auto sandbox =
      std::make_unique<Sandbox>(loop_, timers_, place, find_vmm, std::move(history), listener, timing_, guest_port_);
  Sandbox& added = *(sandboxes_[place.id] = std::move(sandbox));
  added.start();
  if (const auto pod = cri_pod(place.id)) names_->sandbox_appeared(*pod);
}

void Node::sandbox_gone(const SandboxId& id) {
  dead_.erase(id);
  if (!sandboxes_.contains(id)) return;
  if (processes_ == nullptr || !processes_->vmm(id)) return end(id);
  without_place_[id] = timers_.after(time_to_end_, [this, id] {
    check_vmm_of(id);
    if (!without_place_.contains(id)) return;
    log_warning("a VMM outlives its sandbox's directory: it is still measured",
                {{"sandbox", id.text()}, {"pid", processes_->vmm(id).value_or(0)}});
  });
}

void Node::check_vmm_of(const SandboxId& id) {
  if (!processes_->vmm(id)) end(id);
}

// Directories that were left, and in which a sandbox lives after all.
void Node::find_living() {
  std::vector<SandboxPlace> living;
  for (auto& [id, dead] : dead_) {
    if (!is_dead(dead.place)) {
      living.push_back(dead.place);
    } else if (!std::exchange(dead.logged, true)) {
      log_info("a directory without a living sandbox is passed over",
               {{"sandbox", id.text()}, {"directory", dead.place.directory}});
    }
  }
  for (const SandboxPlace& place : living) {
    dead_.erase(place.id);
    add(place);
  }
}

// Sandboxes whose VMM outlived the directory and has ended, and those that died and left it.
void Node::find_dead() {
  std::vector<SandboxId> ended;
  for (const auto& [id, timer] : without_place_) ended.push_back(id);
  for (const SandboxId& id : ended) check_vmm_of(id);
  std::vector<SandboxPlace> died;
  for (const auto& [id, sandbox] : sandboxes_) {
    if (sandbox->may_be_dead() && !without_place_.contains(id) && is_dead(sandbox->place())) {
      died.push_back(sandbox->place());
    }
  }
  for (const SandboxPlace& place : died) {
    end(place.id);
    dead_.emplace(place.id, Dead{place});
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
  if (processes) account_ended(*processes, TimerQueue::Clock::now());
  if (was_awaited && awaited_.empty()) finish();
}

void Node::end(const SandboxId& id, Leaving leaving, std::optional<SandboxProcesses> host) {
  const auto now = TimerQueue::Clock::now();
  drop_expired(now);
  // The last snapshot is checked and accounted as any other.
  if (leaving.sandbox->unreported()) {
    static_cast<void>(report_of(*leaving.sandbox, std::move(host), leaving.asked, now));
  }
  HostOoms kills = processes_ != nullptr ? processes_->forget(id) : HostOoms();
  for (const auto& [role, count] : kills) {
    if (count == 0) continue;
    log_warning("oom kill on the host", {{"sandbox", id.text()}, {"role", name(role)}, {"count", count}});
  }
  const auto accounting = accounting_.find(id);
  const std::map<ContainerId, std::uint64_t> none;
  const auto& host_cpu_ns = accounting != accounting_.end() ? accounting->second.container_cpu_ns() : none;
  keep_ended(id, leaving.sandbox->end(now, std::move(kills), host_cpu_ns));
  if (++unread_ < max_unread) return;
  if (std::optional<ProcessesBySandbox> processes = read_processes()) account_ended(*processes, now);
}

// A sandbox whose id no CRI runtime made has no names that could be asked for.
std::optional<ContainerId> Node::cri_pod(const SandboxId& id) const {
  return names_ != nullptr ? id.cri_id() : std::nullopt;
}

void Node::forget_names(const SandboxId& id) {
  if (const auto pod = cri_pod(id)) names_->forget(*pod);
}

void Node::keep_ended(const SandboxId& id, SandboxHistory history) {
  auto accounting = accounting_.extract(id);
  const bool has_last_values = processes_ != nullptr && processes_->has_last_values(id);
  // A directory behind which there was nothing.
  if (!history.has_values() && !accounting && !has_last_values) {
    forget_names(id);
    return;
  }
  ended_.insert_or_assign(id,
                          Ended{std::move(history), accounting ? std::move(accounting.mapped()) : SandboxAccounting()});
  bound_ended();
}

void Node::bound_ended() {
  const auto ended_at = [](const auto& item) { return item.second.history.ended_at; };
  std::size_t dropped = 0;
  if (ended_.size() > max_ended) {
    const auto oldest = std::ranges::min_element(ended_, {}, ended_at);
    dropped += oldest->second.history.ended_containers.all().size();
    drop(oldest);
  }
  std::size_t containers = 0;
  for (const auto& [id, ended] : ended_) containers += ended.history.ended_containers.all().size();
  while (containers > max_ended_containers) {
    const auto with_none = [](const auto& item) { return item.second.history.ended_containers.all().empty(); };
    const auto oldest = std::ranges::min_element(
        ended_, {}, [&](const auto& item) { return std::pair(with_none(item), ended_at(item)); });
    const std::size_t cleared = oldest->second.history.ended_containers.clear();
    containers -= cleared;
    dropped += cleared;
  }
  if (dropped > 0) OwnMetrics::of_process().count_guest_entries_left_out(GuestEntry::ended_container, dropped);
}

void Node::drop_expired(Sandbox::Time now) {
  for (auto item = ended_.begin(); item != ended_.end();) {
    const bool expired = item->second.history.expire(now) && now - item->second.last_values >= OomKillCounters::window;
    item = expired ? drop(item) : std::next(item);
  }
}

Node::EndedSandboxes::iterator Node::drop(EndedSandboxes::iterator ended) {
  add_to_totals(ended->first, ended->second.accounting, handler_timeout);
  forget_names(ended->first);
  return ended_.erase(ended);
}

// What its processes used until they ended, which is some time after its directory has.
void Node::account_ended(ProcessesBySandbox& processes, Sandbox::Time now) {
  unread_ = 0;
  for (auto& [id, ended] : ended_) {
    const auto found = processes.find(id);
    if (found == processes.end()) continue;
    ended.last_values = now;
    if (found->second.has_vmm()) ended.accounting.update_ended(found->second);
    for (const auto& [role, kills] : found->second.oom_kills) {
      if (kills == 0) continue;
      std::uint64_t& known = ended.history.host_ooms[role];
      known = std::max(known, kills);
    }
  }
}

void Node::add_to_totals(const SandboxId& id, SandboxAccounting& accounting, Sandbox::Time::duration age) {
  const auto pod = cri_pod(id);
  const auto names = pod ? names_->of(*pod) : nullptr;
  // A bundle of containerd's does not have the handler.
  const bool known = names && (!names->from_bundle || !names->runtime_handler.empty());
  if (pod && !known && age < handler_timeout) return;
  CpuByComponent& total = cpu_by_handler_[names ? names->runtime_handler : std::string()];
  const CpuByComponent gained = accounting.take_gained_cpu();
  for (std::size_t i = 0; i < cpu_components; ++i) total[i] += gained[i];
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
  const auto leaving = leaving_.find(id);
  if (leaving == leaving_.end()) {
    if (was_last) finish();
    return;
  }
  // Soon, not now: both end the sandbox, and it is the one that calls.
  leaving->second.answered = true;
  if (was_last) deadline_ = timers_.after({}, [this] { finish(); });
  const bool all = std::ranges::all_of(leaving_, [](const auto& item) { return item.second.answered; });
  if (all) leaving_deadline_ = timers_.after({}, [this] { end_leaving(); });
}

void Node::finish() {
  deadline_.cancel();
  const std::set<SandboxId> late = std::exchange(awaited_, {});
  for (const SandboxId& id : late) {
    if (const auto sandbox = sandboxes_.find(id); sandbox != sandboxes_.end()) sandbox->second->miss_deadline();
  }
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
    if (sandbox != sandboxes_.end()) add_to_totals(id, accounting, now - sandbox->second->appeared());
  }
  for (const auto& [id, sandbox] : sandboxes_) {
    if (const auto pod = cri_pod(id)) sandbox->set_unknown_containers(names_->unknown(*pod));
  }
  for (auto& [id, ended] : ended_) add_to_totals(id, ended.accounting, handler_timeout);
  done->cpu_by_handler = cpu_by_handler_;
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
  for (const auto& [id, sandbox] : sandboxes_) {
    std::optional<SandboxProcesses> host;
    if (processes) {
      if (auto found = processes->extract(id)) host = std::move(found.mapped());
    }
    report->sandboxes.push_back(report_of(*sandbox, std::move(host), started_, now));
  }
  if (processes) account_ended(*processes, now);
  report->processes = {seconds_since(now), processes.has_value()};
  drop_expired(now);
  for (const auto& [id, ended] : ended_) {
    if (ended.history.has_values()) report->sandboxes.push_back(report_of_ended(id, ended.history));
  }
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
  if (guest) sandbox.take_ended(*guest, account ? &*account : nullptr, now);
  SandboxReport report = sandbox.report(now);
  report.guest = std::move(guest);
  report.account = std::move(account);
  if (host) report.host_ooms = host->oom_kills;
  report.processes = std::move(host);
  return report;
}

SandboxReport Node::report_of_ended(const SandboxId& id, const SandboxHistory& history) {
  SandboxReport report;
  report.id = id;
  report.ended = true;
  report.place = history.place;
  report.oom_kills = history.oom_kills.kills();
  report.oom_events = history.oom_events;
  report.oom_kills_by_class = history.oom_kills_by_class;
  report.host_ooms = history.host_ooms;
  report.ended_containers = history.ended_containers.all();
  return report;
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
