#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest-probe/bpf/programs.h"

struct bpf_link;
struct bpf_map;
struct bpf_program;
struct guest;

namespace katameter::guest {

/// One load of the guest's programs, step by step; what GuestPrograms::load() does. libbpf loads an object whole or not
/// at all: where the kernel refuses a part, all begins again without it.
class GuestLoader {
 public:
  GuestLoader(const GuestPlan& plan, std::size_t capacity, const PinDirectory* pins, const LoadOptions& options);
  ~GuestLoader();
  GuestLoader(const GuestLoader&) = delete;
  GuestLoader& operator=(const GuestLoader&) = delete;

  Result<GuestPrograms> load();

 private:
  Status try_plan();
  void begin_again();
  bool go_on_without(const KernelRefusal& refusal);
  tl::unexpected<Error> refused(KernelRefusal refusal);
  void take_logs();
  void spoil_programs();
  std::vector<std::string> log_of(std::string_view program) const;

  Status choose_programs();
  Status reuse_pinned_maps();
  void forget_other_form() const;
  std::vector<bpf_map*> pinned_maps() const;
  Status load_object();
  Status take_maps();
  Status take_walkers();
  Status learn_cpus();
  Status find_stats();
  Status find_huge_pages();
  Status take_stat_tables(StatIndexMap indices);
  Status attach_hooks();
  Status hand_over();

  Status choose_task_programs();
  Status take_iterator(bpf_program* program, const bpf_map* over, IterProgram& into);
  Status take_request(bpf_program* program, IterProgram& into);
  Status take_walker(bpf_program* program, bpf_map* records, std::size_t record_bytes, GuestPrograms::Walker& into);
  Status attach_hook(bpf_program* program, Hook hook);
  void choose_request(bpf_program* program, bool wanted);
  bpf_program* request_form(bpf_program* program) const;
  Status make_folder(const std::string& name, std::string& path) const;
  Status pin(int fd, const std::string& folder, const std::string& name) const;

  GuestPlan plan_;
  std::size_t capacity_;
  const PinDirectory* pins_;
  const LoadOptions& options_;
  std::optional<KernelRefusal> refusal_;  // why the last step failed, if the kernel did not take something
  std::string explained_;                 // the program of which the log is to have every instruction
  KernelRefusal unexplained_;             // what was known of it before
  struct Log {
    std::unique_ptr<char[]> text;
    std::size_t size = 0;
  };
  std::map<std::string, Log, std::less<>> logs_;  // the verifier's, by program
  ::guest* skeleton_ = nullptr;
  GuestPrograms programs_;
  std::uint64_t generation_ = 1;
  std::string layout_;
  std::string maps_;   // folders in pins_
  std::string loads_;  // of all loads
  std::string here_;   // of this one
};

}  // namespace katameter::guest
