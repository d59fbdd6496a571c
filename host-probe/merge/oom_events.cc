#include "host-probe/merge/oom_events.h"

namespace katameter {

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

LogFields describe(const ContainerId& sandbox, const wire::OomEvent& event) {
  LogFields fields{{"sandbox", sandbox.hex()}};
  if (event.container) fields.emplace_back("container", event.container->hex());
  fields.emplace_back("pid", event.victim_pid);
  fields.emplace_back("comm", event.victim_comm);
  fields.emplace_back("rss_bytes", event.victim_anon_bytes + event.victim_file_bytes + event.victim_shmem_bytes);
  fields.emplace_back("limit_bytes", event.memory_limit_bytes);
  fields.emplace_back("class", wire::name(event.oom_class));
  if (!event.limit_cgroup.empty()) fields.emplace_back("limit_cgroup", event.limit_cgroup);
  return fields;
}

}  // namespace katameter
