#pragma once

#include <string>
#include <vector>

#include "userspace/bpf/guest_programs.h"

struct bpf_link;
struct bpf_map;
struct bpf_program;
struct guest;

namespace katameter {

/// One load of the guest's programs, step by step; what GuestPrograms::load() does.
class GuestLoader {
 public:
  GuestLoader(const GuestPlan& plan, std::size_t capacity, const PinDirectory* pins);
  ~GuestLoader();
  GuestLoader(const GuestLoader&) = delete;
  GuestLoader& operator=(const GuestLoader&) = delete;

  Result<GuestPrograms> load();

 private:
  Status choose_programs();
  Status reuse_kept_maps();
  Status load_object();
  Status take_maps();
  Status take_walkers();
  Status learn_cpus();
  Status find_stats();
  Status take_stat_tables(StatPlacement placement);
  Status attach_hooks();
  Status hand_over();

  Status choose_task_programs();
  Status take_iterator(bpf_program* program, const bpf_map* over, OnRequest& into);
  Status take_walker(bpf_program* program, bpf_map* records, std::size_t record_bytes, GuestPrograms::Walker& into);
  Status attach_hook(bpf_program* program, const char* hook);
  Status make_folder(const std::string& name, std::string& path) const;
  Status pin(int fd, const std::string& folder, const std::string& name) const;

  const GuestPlan& plan_;
  std::size_t capacity_;
  const PinDirectory* pins_;
  guest* skeleton_ = nullptr;
  GuestPrograms programs_;
  std::uint64_t generation_ = 1;
  std::string layout_;
  std::string maps_;   // folders in pins_
  std::string loads_;  // of all loads
  std::string here_;   // of this one
};

}  // namespace katameter
