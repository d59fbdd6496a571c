#include "host-probe/node.h"

#include <algorithm>
#include <set>
#include <utility>

#include "userspace/log.h"

namespace katameter {

Node::~Node() {
  for (const Answer& answer : waiting_) answer(nullptr);
}

void Node::begin() {
  if (processes_ == nullptr) return;
  const auto figures = processes_->collect();
  if (!figures) return;
  for (const auto& [id, processes] : *figures) books_[id].begin(processes);
}

void Node::sandbox_appeared(const SandboxPlace& place) {
  log_info("sandbox appeared", {{"sandbox", place.id.hex()},
                                {"hypervisor", place.hypervisor},
                                {"socket", place.directory + "/" + place.socket}});
  // One of this id that was here a short while ago goes on counting where it ended.
  auto before = ended_.extract(place.id);
  const auto find_vmm = [this, id = place.id] { return processes_ != nullptr ? processes_->vmm(id) : std::nullopt; };
  auto sandbox = std::make_unique<Sandbox>(
      loop_, timers_, place, find_vmm, before ? std::move(before.mapped()) : SandboxState(),
      [this](const ContainerId& id) { settled(id); }, timing_, guest_port_);
  Sandbox& added = *(sandboxes_[place.id] = std::move(sandbox));
  added.start();
  if (names_ != nullptr) names_->sandbox_appeared(place.id);
}

void Node::sandbox_gone(const ContainerId& id) {
  const auto found = sandboxes_.find(id);
  if (found == sandboxes_.end()) return;
  log_info("sandbox gone", {{"sandbox", id.hex()}});
  const auto now = TimerQueue::Clock::now();
  forget_ended(now);
  HostOoms kills = processes_ != nullptr ? processes_->forget(id) : HostOoms();
  for (const auto& [role, count] : kills) {
    if (count == 0) continue;
    log_warning("oom kill on the host", {{"sandbox", id.hex()}, {"role", name(role)}, {"count", count}});
  }
  ended_.insert_or_assign(id, found->second->end(now, std::move(kills)));
  sandboxes_.erase(found);
  books_.erase(id);
  settled(id);
}

void Node::forget_ended(SandboxState::Time now) {
  for (auto item = ended_.begin(); item != ended_.end();) {
    if (!item->second.forgotten(now)) {
      ++item;
      continue;
    }
    if (names_ != nullptr) names_->forget(item->first);
    item = ended_.erase(item);
  }
}

void Node::collect(Answer answer) {
  waiting_.push_back(std::move(answer));
  if (waiting_.size() > 1) return;
  started_ = TimerQueue::Clock::now();
  // In another order each time: who is asked first is answered first, and nobody is to be the last for good.
  std::vector<Sandbox*> order;
  for (const auto& [id, sandbox] : sandboxes_) order.push_back(sandbox.get());
  std::ranges::shuffle(order, random_);
  for (Sandbox* sandbox : order) {
    if (sandbox->collect()) awaited_.insert(sandbox->id());
  }
  if (awaited_.empty()) return finish();
  deadline_ = timers_.after(Sandbox::collect_deadline, [this] { finish(); });
}

void Node::settled(const ContainerId& id) {
  if (awaited_.erase(id) > 0 && awaited_.empty()) finish();
}

void Node::finish() {
  deadline_.cancel();
  const bool all_answered = awaited_.empty();
  awaited_.clear();
  const double waited = std::chrono::duration<double>(TimerQueue::Clock::now() - started_).count();
  const std::shared_ptr<const NodeReport> done = report({waited, all_answered});
  for (const Answer& answer : std::exchange(waiting_, {})) answer(done);
}

std::shared_ptr<const NodeReport> Node::report(const CollectorReport& guests) {
  auto report = std::make_shared<NodeReport>();
  report->guests = guests;
  const auto now = TimerQueue::Clock::now();
  for (const auto& [id, sandbox] : sandboxes_) report->sandboxes.push_back(sandbox->report(now));
  const auto before_processes = TimerQueue::Clock::now();
  add_processes(*report);
  report->processes = {std::chrono::duration<double>(TimerQueue::Clock::now() - before_processes).count(),
                       report->host_figures};
  forget_ended(now);
  for (auto& [id, state] : ended_) {
    SandboxReport& last = report->sandboxes.emplace_back();
    last.id = id;
    last.ended = true;
    state.report(last, false, now);
  }
  add_names(*report);
  const auto wall_time = std::chrono::system_clock::now().time_since_epoch();
  report->unix_seconds = std::chrono::floor<std::chrono::seconds>(wall_time).count();
  report->monotonic_seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  report->duration_seconds = std::chrono::duration<double>(TimerQueue::Clock::now() - started_).count();
  return report;
}

// What has no name yet has none in this report: it is asked for, and nobody waits.
void Node::add_names(NodeReport& report) {
  if (names_ == nullptr) return;
  for (SandboxReport& sandbox : report.sandboxes) {
    if (sandbox.guest_up) {
      std::set<ContainerId> containers;
      for (const wire::Container& container : sandbox.containers) containers.insert(container.id);
      for (const auto& [container, kills] : sandbox.oom_kills) containers.insert(container);
      names_->containers_seen(sandbox.id, containers);
    }
    sandbox.names = names_->of(sandbox.id);
  }
}

void Node::add_processes(NodeReport& report) {
  if (processes_ == nullptr) return;
  auto figures = processes_->collect();
  if (!figures) {
    log(std::exchange(process_error_logged_, true) ? LogLevel::debug : LogLevel::warning,
        "no host-side figures in this scrape", {{"error", figures.error().text}});
    return;
  }
  process_error_logged_ = false;
  report.host_figures = true;
  for (SandboxReport& sandbox : report.sandboxes) {
    const auto found = figures->find(sandbox.id);
    if (found == figures->end()) continue;
    sandbox.processes = std::move(found->second);
    sandbox.host_ooms = sandbox.processes->oom_kills;
    if (const auto living = sandboxes_.find(sandbox.id); living != sandboxes_.end()) {
      living->second->check_claim(sandbox);
    }
    sandbox.account = books_[sandbox.id].take_up(sandbox);
  }
}

}  // namespace katameter
