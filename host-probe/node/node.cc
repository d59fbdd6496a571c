#include "host-probe/node/node.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "host-probe/guest/connect.h"
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

Node::~Node() {
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
  const auto now = TimerQueue::Clock::now();
  drop_expired(now);
  HostOoms kills = processes_ != nullptr ? processes_->forget(id) : HostOoms();
  for (const auto& [role, count] : kills) {
    if (count == 0) continue;
    log_warning("oom kill on the host", {{"sandbox", id.text()}, {"role", name(role)}, {"count", count}});
  }
  keep_ended(id, found->second->end(now, std::move(kills)));
  sandboxes_.erase(found);
  sandbox_answered(id);
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
  if (!history.has_kills()) forget_names(id);
  if (!history.has_kills() && !accounting) return;  // a directory behind which no VMM was seen
  ended_.insert_or_assign(id,
                          Ended{std::move(history), accounting ? std::move(accounting.mapped()) : SandboxAccounting()});
  if (ended_.size() <= max_ended) return;
  const auto oldest =
      std::ranges::min_element(ended_, {}, [](const auto& item) { return item.second.history.ended_at; });
  forget_names(oldest->first);
  ended_.erase(oldest);
}

void Node::drop_expired(Sandbox::Time now) {
  for (auto item = ended_.begin(); item != ended_.end();) {
    if (!item->second.history.expire(now)) {
      ++item;
      continue;
    }
    forget_names(item->first);
    item = ended_.erase(item);
  }
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
  if (awaited_.empty()) return finish();
  deadline_ = timers_.after(Sandbox::collect_deadline, [this] { finish(); });
}

void Node::sandbox_answered(const SandboxId& id) {
  if (awaited_.erase(id) > 0 && awaited_.empty()) finish();
}

void Node::finish() {
  deadline_.cancel();
  const std::set<SandboxId> late = std::exchange(awaited_, {});
  for (const SandboxId& id : late) sandboxes_.at(id)->miss_deadline();
  const std::shared_ptr<const NodeReport> done = report({seconds_since(started_), late.empty()});
  for (const Answer& answer : std::exchange(waiting_, {})) answer(done);
}

std::shared_ptr<const NodeReport> Node::report(const CollectorReport& guests) {
  auto report = std::make_shared<NodeReport>();
  report->guests = guests;
  const auto now = TimerQueue::Clock::now();
  std::optional<ProcessesBySandbox> processes = read_processes();
  find_dead();
  find_living();
  for (const auto& [id, sandbox] : sandboxes_) {
    std::optional<SandboxProcesses> host;
    if (processes) {
      if (auto found = processes->extract(id)) host = std::move(found.mapped());
    }
    report->sandboxes.push_back(report_of(*sandbox, std::move(host), now));
  }
  report->processes = {seconds_since(now), processes.has_value()};
  drop_expired(now);
  for (const auto& [id, ended] : ended_) {
    if (ended.history.has_kills()) report->sandboxes.push_back(report_of_ended(id, ended.history));
  }
  add_names(*report);
  const auto wall_time = std::chrono::system_clock::now().time_since_epoch();
  report->unix_seconds = std::chrono::floor<std::chrono::seconds>(wall_time).count();
  report->monotonic_seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  report->duration_seconds = seconds_since(started_);
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
SandboxReport Node::report_of(Sandbox& sandbox, std::optional<SandboxProcesses> host, Sandbox::Time now) {
  std::optional<GuestView> guest = sandbox.check_guest(started_, now, host ? &*host : nullptr);
  std::optional<Account> account;
  if (host) {
    if (host->has_vmm()) account = accounting_[sandbox.id()].update(*host, reading_of(guest));
    if (const auto known = accounting_.find(sandbox.id()); known != accounting_.end()) {
      host = known->second.since_begin(*std::move(host));
    }
  }
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
  return report;
}

// What has no name yet has none in this report: it is looked up, and the report does not wait for it.
void Node::add_names(NodeReport& report) {
  if (names_ == nullptr) return;
  for (SandboxReport& sandbox : report.sandboxes) {
    const auto pod = cri_pod(sandbox.id);
    if (!pod) continue;
    if (sandbox.guest) {
      std::set<ContainerId> containers;
      for (const wire::Container& container : sandbox.guest->containers) containers.insert(container.id);
      for (const auto& [container, kills] : sandbox.oom_kills) containers.insert(container);
      names_->containers_seen(*pod, containers);
    }
    sandbox.names = names_->of(*pod);
  }
  report.kata_pods = names_->kata_pods();
}

}  // namespace katameter::host
