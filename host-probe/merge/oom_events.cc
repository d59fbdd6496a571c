#include "host-probe/merge/oom_events.h"

#include <fmt/core.h>

#include <algorithm>

namespace katameter {
namespace {

// A process chooses its name freely: it must not look like further fields of the line.
std::string quoted(std::string text) {
  if (text.find_first_of(" =\"\\") == std::string::npos && !text.empty()) return text;
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '"' || c == '\\'; }, '?');
  return '"' + text + '"';
}

}  // namespace

void OomEventFilter::connected(const wire::Hello& hello) {
  if (hello.boot_id == boot_id_ && hello.instance == instance_) return;
  boot_id_ = hello.boot_id;
  instance_ = hello.instance;
  sequence_ = 0;
}

bool OomEventFilter::is_new(const wire::OomEvent& event) {
  if (event.sequence <= sequence_) return false;
  sequence_ = event.sequence;
  return true;
}

std::string describe(const ContainerId& sandbox, const wire::OomEvent& event) {
  return fmt::format(
      "oom kill sandbox={} container={} pid={} comm={} rss={} limit={} class={} limit_cgroup={}", sandbox.hex(),
      event.container ? event.container->hex() : "none", event.victim_pid, quoted(event.victim_comm),
      event.victim_anon_bytes + event.victim_file_bytes + event.victim_shmem_bytes, event.memory_limit_bytes,
      wire::name(event.oom_class), event.limit_cgroup.empty() ? "none" : quoted(event.limit_cgroup));
}

}  // namespace katameter
