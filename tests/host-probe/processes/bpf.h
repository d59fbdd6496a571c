#pragma once

#include <sys/eventfd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "host-probe/processes/process_account.h"
#include "tests/host-probe/processes/support.h"

namespace katameter::host::testing {

/// The account under test, on the kernel that runs. Where BPF cannot be loaded the test fails: nothing was compared.
class Account {
 public:
  explicit Account(std::uint32_t capacity = ProcessAccount::default_capacity) {
    if (!loop_) FAIL(loop_.error().text);
    auto account = ProcessAccount::create(*loop_, capacity);
    if (!account) FAIL(account.error().text);
    account_ = *std::move(account);
  }

  std::map<SandboxId, SandboxProcesses> collect() {
    auto values = account_->collect();
    if (!values) FAIL(values.error().text);
    return *std::move(values);
  }
  SandboxProcesses of(const SandboxId& sandbox) {
    auto values = collect();
    return values[sandbox];
  }
  /// Asks until `done` is satisfied: what a thread leaves behind takes an RCU grace period. At most 30 s.
  template <typename Done>
  SandboxProcesses wait_for(const SandboxId& sandbox, Done done) {
    SandboxProcesses values;
    for (int i = 0; i < 3000; ++i) {
      values = of(sandbox);
      if (done(values)) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return values;
  }
  /// Asks until the sandbox is in no collection any more; the CPU time that it had in the last one. At most 30 s.
  std::uint64_t until_gone(const SandboxId& sandbox);
  /// What may be missing because the kernel did not run note_free: the end of a process from its exit on. Kernels are
  /// seen that pass over programs in soft interrupts over some tasks; the account notices, the last slices are lost.
  std::uint64_t tolerance_ns() const { return account_->ends_missed() * 20'000'000; }
  /// Turns the event loop once, so that it serves what waits.
  void turn() {
    const Fd now(eventfd(1, EFD_CLOEXEC));
    if (!loop_->watch(now, EPOLLIN, [this](std::uint32_t) { loop_->stop(); }) || !loop_->run()) FAIL("event loop");
    loop_->unwatch(now);
  }
  bool listed(pid_t pid) const { return account_->listed().contains(static_cast<std::uint32_t>(pid)); }
  std::optional<std::uint32_t> vmm(const SandboxId& sandbox) const { return account_->vmm(sandbox); }
  HostOoms forget(const SandboxId& sandbox) { return account_->forget(sandbox); }
  bool has_last_values(const SandboxId& sandbox) const { return account_->has_last_values(sandbox); }
  bool truncated() const { return account_->truncated(); }
  void follow(const SandboxId& sandbox) { account_->follow(sandbox, sandbox); }

 private:
  Result<EventLoop> loop_ = EventLoop::create();
  std::unique_ptr<ProcessAccount> account_;
};

/// rusage is cut to microseconds, user and system time apart, and made while the dead may have some steps to go.
constexpr std::uint64_t slack_ns = 100'000;

inline std::uint64_t total_ns(const SandboxProcesses& values) {
  std::uint64_t sum = 0;
  for (const auto& [role, cpu] : values.cpu) sum += cpu.cpu_ns;
  return sum;
}

inline std::uint64_t Account::until_gone(const SandboxId& sandbox) {
  std::uint64_t last_ns = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto values = collect();
    const auto found = values.find(sandbox);
    if (found == values.end()) return last_ns;
    last_ns = total_ns(found->second);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("the sandbox is still there");
  return 0;
}

}  // namespace katameter::host::testing
