#include "host-probe/processes/process_account.h"

#include <algorithm>
#include <array>

#include "host-probe/own_metrics/own_metrics.h"
#include "host-probe/processes/process_identity.h"
#include "userspace/log.h"

namespace katameter::host {
namespace {

// The kernel cuts names to 15 characters. cloud-hypervisor is seen under names that only begin so.
constexpr std::array<WatchedName, 10> watched_names{{{"qemu-", PROCESS_VMM},
                                                     {"cloud-hy", PROCESS_VMM},
                                                     {"firecrac", PROCESS_VMM},
                                                     {"openvmm", PROCESS_VMM},
                                                     {"stratovi", PROCESS_VMM},
                                                     {"virtiofs", PROCESS_VIRTIOFSD},
                                                     {"nydusd", PROCESS_VIRTIOFSD},
                                                     {"containerd-shim", PROCESS_SHIM},
                                                     {"vhost-", PROCESS_KERNEL},
                                                     {"kvm-pit/", PROCESS_KERNEL}}};
static_assert(watched_names.size() <= WATCHED_NAMES);

/// PROCESS_* of what a shim runs; 0 for all else.
std::uint32_t kind_of(const ProcessIdentity& identity) {
  if (identity.kind == ProcessKind::vmm) return PROCESS_VMM;
  return identity.kind == ProcessKind::virtiofsd ? PROCESS_VIRTIOFSD : 0;
}

// For a reading in whose few microseconds no thread dies. Without one, what is missing comes with the next pass.
constexpr int reading_attempts = 16;

}  // namespace

Result<std::unique_ptr<ProcessAccount>> ProcessAccount::create(EventLoop& loop, std::uint32_t capacity) {
  Result<HostPrograms> programs = HostPrograms::load(watched_names, capacity);
  if (!programs) return failure_from(programs.error(), "no values of the sandboxes' processes");
  std::unique_ptr<ProcessAccount> account(new ProcessAccount(loop, *std::move(programs), capacity));
  for (int cpu = 0; cpu < account->programs_.possible_cpus(); ++cpu) account->unknown_cpus_.insert(cpu);
  if (Status learned = account->learn_cpus(); !learned) return failure_from(learned.error());
  const auto consume = [raw = account.get()](std::uint32_t) { raw->serve_exec_events(); };
  if (Status watched = loop.watch(account->programs_.exec_events(), EPOLLIN, consume); !watched) {
    return failure_from(watched.error());
  }
  return account;
}

ProcessAccount::~ProcessAccount() {
  loop_.unwatch(programs_.exec_events());
}

Status ProcessAccount::learn_cpus() {
  for (auto cpu = unknown_cpus_.begin(); cpu != unknown_cpus_.end();) {
    const Result<bool> learned = programs_.learn_cpu(*cpu);
    if (!learned) return failure_from(learned.error());
    cpu = *learned ? unknown_cpus_.erase(cpu) : std::next(cpu);
  }
  return {};
}

Status ProcessAccount::read_exec_events() {
  return programs_.read_exec_events([this](const exec_event& event) { note_exec(event); });
}

void ProcessAccount::note_exec(const exec_event& event) {
  const std::size_t bytes = std::min<std::size_t>(event.argument_bytes, ARGUMENT_BYTES);
  const auto identity = identify_process(split_command_line({event.arguments, bytes}));
  if (event.kind == PROCESS_UNKNOWN) {
    // Without an identity it stays a part of its shim's work.
    if (!identity || kind_of(*identity) == 0) return;
    programs_.make_root(event.key, kind_of(*identity));
  }
  if (identity) {
    Root root{*identity, pass_};
    root.confirmed = descends(event.shim, *identity);
    roots_.insert_or_assign(event.key, root);
  } else {
    programs_.remove(event.key);
  }
}

void ProcessAccount::serve_exec_events() {
  Status status = read_exec_events();
  // Processes that have ended stay in the kernel's map until a pass: with nobody asking it would fill up.
  const volatile host_status& counts = programs_.status();
  const bool filled = counts.processes_recorded - recorded_ > capacity_ / 8;
  const bool lost = counts.processes_lost != lost_ && passes_.take(1, std::chrono::steady_clock::now());
  if (status && (filled || lost)) status = pass();
  if (!status) log_warning("cannot read new processes", {{"error", status.error().text}});
}

ProcessAccount::Root* ProcessAccount::identify(const process_key& key, const process_record& record) {
  auto root = roots_.find(key);  // it may have become one since the list was made
  if (root == roots_.end()) root = roots_.find(record.root);
  if (root == roots_.end()) {
    // It ran before us, or its command line was lost. A fork without exec has that of its parent.
    const auto identity = identify_running(key.tgid);
    if (!identity) return nullptr;
    if (record.kind == PROCESS_UNKNOWN) {
      if (kind_of(*identity) == 0) return nullptr;
      // Not by its command line alone; where it has a part of the sandbox's id, so has the cgroup.
      const bool of_shim = record.shim.tgid != 0;
      if (!of_shim && cgroup_of(key).find(identity->sandbox.text()) == std::string::npos) return nullptr;
      programs_.make_root(key, kind_of(*identity));
    }
    root = roots_.emplace(record.root, Root{*identity, pass_}).first;
    root->second.confirmed = descends(record.shim, *identity);
  }
  root->second.last_pass = pass_;
  root->second.listed = true;
  return &root->second;
}

// The Go runtime's Firecracker knows the first 32 characters of the id.
bool ProcessAccount::descends(const process_key& shim, const ProcessIdentity& identity) const {
  if (shim.tgid == 0) return false;
  const auto known = roots_.find(shim);
  const auto found = known != roots_.end() ? std::optional(known->second.identity) : identify_running(shim.tgid);
  if (!found || found->kind != ProcessKind::shim) return false;
  const SandboxId& sandbox = sandbox_of(identity);
  return found->sandbox == sandbox || found->sandbox.text().starts_with(identity.sandbox.text());
}

std::string ProcessAccount::cgroup_of(const process_key& key) {
  const auto reading = programs_.read(key);
  if (!reading || ((*reading)->flags & READING_GONE) != 0) return {};
  return (*reading)->memory_cgroup_name;
}

bool ProcessAccount::is_confirmed(const process_key& key, Root& root) {
  if (root.confirmed || std::exchange(root.looked_at, true)) return root.confirmed;
  root.confirmed = is_cgroup_of(sandbox_of(root.identity), cgroup_of(key));
  return root.confirmed;
}

void ProcessAccount::refuse(const process_key& key, const ProcessIdentity& identity) {
  OwnMetrics::of_process().count_process_refused();
  log(refusals_.take(1, std::chrono::steady_clock::now()) ? LogLevel::warning : LogLevel::debug,
      "a process calls itself a sandbox's, and is not: it neither descends from its shim nor is in its cgroup",
      {{"pid", key.tgid}, {"sandbox", identity.sandbox.text()}});
  remove(key);
}

Status ProcessAccount::read(const process_key& key, const process_record& record, SandboxAccount& account) {
  const process_reading* reading = nullptr;
  for (int attempt = 0; attempt < reading_attempts; ++attempt) {
    const auto read = programs_.read(key);
    if (!read) return failure_from(read.error(), "cannot read the processes of a sandbox");
    reading = *read;
    if ((reading->flags & (READING_TORN | READING_RACED)) == 0) break;
  }
  if ((reading->flags & READING_GONE) != 0) {
    if (!account.gone(key, record, SandboxAccount::Clock::now())) return {};
    ++ends_missed_;
    log_debug("the end of a process was not noticed", {{"pid", key.tgid}});
    remove(key);
    return {};
  }
  if ((reading->flags & READING_TRUNCATED) != 0 && !truncated_) {
    truncated_ = true;
    log_warning("a process has more threads or descriptors than are read: its values are too low", {{"pid", key.tgid}});
  }
  account.read(key, *reading);
  return {};
}

Status ProcessAccount::pass() {
  ++pass_;
  if (Status learned = learn_cpus(); !learned) return failure_from(learned.error());
  oom_kills_ = programs_.status().oom_kills;
  recorded_ = programs_.status().processes_recorded;
  const auto processes = programs_.processes();
  if (!processes) return failure_from(processes.error());
  // After the list: a command line is sent before its process is listed.
  if (Status read = read_exec_events(); !read) return failure_from(read.error());
  listed_.clear();
  removed_.clear();

  for (auto& [id, sandbox] : sandboxes_) sandbox.account.begin_pass();
  std::vector<std::pair<const KnownProcess*, const Root*>> known;
  std::set<std::pair<SandboxId, ProcessKind>> confirmed;
  for (const KnownProcess& process : *processes) {
    const auto& [key, record] = process;
    listed_.insert(key.tgid);
    Root* const root = identify(key, record);
    if (root == nullptr) {
      remove(key);
      continue;
    }
    known.emplace_back(&process, root);
    if (is_confirmed(record.root, *root)) confirmed.emplace(sandbox_of(root->identity), root->identity.kind);
  }
  for (const auto& [process, root] : known) {
    const auto& [key, record] = *process;
    const ProcessIdentity* const identity = &root->identity;
    const SandboxId& id = sandbox_of(*identity);
    if (!root->confirmed && confirmed.contains({id, identity->kind})) {
      if (const auto its = sandboxes_.find(id); its != sandboxes_.end()) its->second.account.drop(key);
      refuse(key, *identity);
      continue;
    }
    Sandbox& sandbox = sandboxes_.try_emplace(id, id).first->second;
    sandbox.last_pass = pass_;
    sandbox.account.follow(key, record.kind == PROCESS_KERNEL ? ProcessKind::kernel : identity->kind);
    if (record.ended == 0) {
      if (Status status = read(key, record, sandbox.account); !status) return failure_from(status.error());
    } else if (sandbox.account.ended(key, record)) {
      remove(key);
    }
  }
  count_children(*processes);
  // One pass of grace: a command line may have come before its process was listed.
  std::erase_if(roots_, [this](const auto& root) { return root.second.last_pass + 1 < pass_; });
  drop_ended();
  report_losses();
  look_again_after_loss();
  return {};
}

void ProcessAccount::look_again_after_loss() {
  const std::uint64_t lost = programs_.status().processes_lost;
  if (lost == lost_) return;
  lost_ = lost;
  // What had found no room may do so now that the ended ones are out of the map.
  if (Status found = programs_.find_running(); !found) {
    log_warning("cannot look for the processes that were lost", {{"error", found.error().text}});
  }
}

void ProcessAccount::remove(const process_key& key) {
  programs_.remove(key);
  removed_.insert(key);
}

void ProcessAccount::count_children(const std::vector<KnownProcess>& processes) {
  std::map<process_key, std::uint32_t, ByAge> counts;
  std::set<process_key, ByAge> changed;
  for (const auto& [key, record] : processes) {
    if (key.tgid == record.root.tgid) continue;
    if (removed_.contains(key)) {
      changed.insert(record.root);
    } else {
      ++counts[record.root];
    }
  }
  for (const process_key& root : changed) {
    const auto count = counts.find(root);
    programs_.set_children(root, count != counts.end() ? count->second : 0);
  }
}

Result<std::map<SandboxId, SandboxProcesses>> ProcessAccount::collect() {
  if (Status status = pass(); !status) return failure_from(status.error());
  std::map<SandboxId, SandboxProcesses> values;
  for (const auto& [id, sandbox] : sandboxes_) values.emplace(id, sandbox.account.values());
  for (auto sandbox = sandboxes_.begin(); sandbox != sandboxes_.end();) {
    const auto next = std::next(sandbox);
    if (sandbox->second.forgotten && sandbox->second.account.empty()) drop(sandbox);
    sandbox = next;
  }
  return values;
}

void ProcessAccount::drop_ended() {
  const auto has_ended = [](const auto& sandbox) { return sandbox.second.account.empty(); };
  auto ended = static_cast<std::size_t>(std::ranges::count_if(sandboxes_, has_ended));
  for (; ended > max_ended; --ended) {
    auto oldest = sandboxes_.end();
    for (auto sandbox = sandboxes_.begin(); sandbox != sandboxes_.end(); ++sandbox) {
      if (!has_ended(*sandbox)) continue;
      if (oldest == sandboxes_.end() || sandbox->second.last_pass < oldest->second.last_pass) oldest = sandbox;
    }
    drop(oldest);
  }
}

void ProcessAccount::drop(std::map<SandboxId, Sandbox>::iterator sandbox) {
  if (sandbox->second.vm) vms_.erase(*sandbox->second.vm);
  sandboxes_.erase(sandbox);
}

const SandboxId& ProcessAccount::sandbox_of(const ProcessIdentity& identity) const {
  const auto other = vms_.find(identity.sandbox);
  return other != vms_.end() ? other->second : identity.sandbox;
}

void ProcessAccount::follow(const SandboxId& sandbox, const SandboxId& vm) {
  if (const auto found = sandboxes_.find(sandbox); found != sandboxes_.end()) found->second.forgotten = false;
  if (vm == sandbox) return;
  Sandbox& its = sandboxes_.try_emplace(sandbox, sandbox).first->second;
  if (its.vm && *its.vm != vm) vms_.erase(*its.vm);
  its.vm = vm;
  vms_.insert_or_assign(vm, sandbox);
  auto before = sandboxes_.extract(vm);
  if (before) its.account.take_over(std::move(before.mapped().account));
}

void ProcessAccount::catch_up() {
  const Status status = pass_ == 0 ? pass() : read_exec_events();
  if (!status) log_warning("cannot read new processes", {{"error", status.error().text}});
}

bool ProcessAccount::lives(const SandboxId& sandbox) const {
  const auto known = sandboxes_.find(sandbox);
  if (known != sandboxes_.end() && known->second.account.lives()) return true;
  return std::ranges::any_of(
      roots_, [&](const auto& root) { return !root.second.listed && sandbox_of(root.second.identity) == sandbox; });
}

std::set<SandboxId> ProcessAccount::of_shims() const {
  std::set<SandboxId> sandboxes;
  for (const auto& [key, root] : roots_) {
    if (root.identity.kind == ProcessKind::shim) sandboxes.insert(root.identity.sandbox);
  }
  return sandboxes;
}

HostOoms ProcessAccount::forget(const SandboxId& sandbox) {
  if (programs_.status().oom_kills != oom_kills_) {
    if (Status status = pass(); !status) {
      log_warning("cannot read a sandbox's last OOM kills",
                  {{"sandbox", sandbox.text()}, {"error", status.error().text}});
    }
  }
  auto found = sandboxes_.find(sandbox);
  if (found == sandboxes_.end()) {
    if (Status read = read_exec_events(); !read) {
      log_warning("cannot read new processes", {{"error", read.error().text}});
    }
    const bool known =
        std::ranges::any_of(roots_, [&](const auto& root) { return sandbox_of(root.second.identity) == sandbox; });
    if (!known) return {};
    found = sandboxes_.try_emplace(sandbox, sandbox).first;
    found->second.last_pass = pass_;
  }
  found->second.forgotten = true;
  return found->second.account.values().oom_kills;
}

std::optional<std::uint32_t> ProcessAccount::vmm(const SandboxId& sandbox) const {
  std::optional<std::uint32_t> claimed;
  for (const auto& [key, root] : roots_) {
    if (root.identity.kind != ProcessKind::vmm || sandbox_of(root.identity) != sandbox) continue;
    if (identify_running(key.tgid) != root.identity) continue;
    if (root.confirmed) return key.tgid;
    claimed = key.tgid;
  }
  return claimed;
}

void ProcessAccount::report_losses() {
  const volatile host_status& status = programs_.status();
  OwnMetrics::of_process().set_process_losses(status.processes_lost, status.events_lost);
  if (const std::uint64_t lost = status.processes_lost; lost > 0 && !warned_lost_processes_) {
    warned_lost_processes_ = true;
    log_warning("too many processes: some of a sandbox's are not tracked", {{"count", lost}});
  }
  if (const std::uint64_t lost = status.events_lost; lost > 0 && !warned_lost_events_) {
    warned_lost_events_ = true;
    log_warning("command lines of new processes were lost: reading /proc of those that still run", {{"count", lost}});
  }
}

}  // namespace katameter::host
