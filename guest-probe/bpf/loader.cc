#include "guest-probe/bpf/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <guest.skel.h>
#include <guest_direct.skel.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>

#include "guest-probe/bpf/facts.h"
#include "guest-probe/bpf/pins.h"
#include "guest-probe/bpf/plan.h"
#include "guest-probe/bpf/refusals.h"
#include "userspace/bpf/load.h"
#include "userspace/log.h"

namespace katameter::guest {
namespace {

// Tasks whose figures can be followed at once (--schedstat); some 140 bytes each.
constexpr std::uint32_t max_sched_tasks = 16384;

// What a walk can count (bpf/guest/io.bpf.h).
constexpr std::uint32_t max_io_records = 0xffff;

// What a later load goes on with.
constexpr std::array pinned_structures{"removed_record", "oom_record", "guest_status",  "state_record",
                                       "stall_sum",      "io_counts",  "virtiofs_sums", "virtiofs_request"};

std::array<bpf_program*, 4> stall_programs(const ::guest& skeleton) {
  const auto& progs = skeleton.progs;
  return {progs.memcg_reclaim_begin, progs.memcg_reclaim_end, progs.direct_reclaim_begin, progs.direct_reclaim_end};
}

bpf_program* find_task_form(const ::guest& skeleton, const bpf_program* program) {
  return bpf_object__find_program_by_name(skeleton.obj, (bpf_program__name(program) + std::string(task_form)).c_str());
}

// Whether any hierarchy of cgroup v1 is walked for cpuacct, cpu, pids or cpuset.
bool walks_cpu(const GuestPlan& plan) {
  return (plan.cpu && !plan.unified) || plan.walk_cpu || plan.walk_pids || plan.walk_cpuset;
}

// Both are made of the same sources and differ in how their walks read (bpf/read.bpf.h), so that one skeleton serves both.
static_assert(sizeof(::guest) == sizeof(guest_direct));
static_assert(sizeof(::guest::guest__rodata) == sizeof(guest_direct::guest_direct__rodata));
static_assert(offsetof(::guest::guest__rodata, own_tgid) == offsetof(guest_direct::guest_direct__rodata, own_tgid));

::guest* open_guest(bool reads_directly, const bpf_object_open_opts& options) {
  if (!reads_directly) return ::guest::open(&options);
  return open_variant<::guest>(&guest__create_skeleton, &guest_direct::elf_bytes, options);
}

// What a walk fills in beside its own records.
template <typename Record>
Status take_records(const bpf_map* map, RecordWindow& into) {
  Result<Fd> records = Fd::duplicate(bpf_map__fd(map));
  if (!records) return failure_from(records.error());
  into = RecordWindow(*std::move(records), sizeof(Record), bpf_map__max_entries(map));
  return {};
}

struct DestroyLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, DestroyLink>;

std::uint64_t boottime_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// kernel/bpf/syscall.c, bpf_map_show_fdinfo()
std::uint64_t kernel_bytes_of(int map) {
  std::ifstream file("/proc/self/fdinfo/" + std::to_string(map));
  for (std::string key; file >> key;) {
    std::uint64_t bytes = 0;
    if (key == "memlock:" && file >> bytes) return bytes;
  }
  return 0;
}

}  // namespace

GuestLoader::GuestLoader(const GuestPlan& plan, std::size_t capacity, const PinDirectory* pins,
                         const LoadOptions& options)
    : plan_(plan), capacity_(capacity), pins_(pins), options_(options) {}

GuestLoader::~GuestLoader() {
  ::guest::destroy(skeleton_);
}

Result<GuestPrograms> GuestLoader::load() {
  send_libbpf_to_log();
  while (true) {
    const Status status = try_plan();
    if (status) break;
    if (!refusal_ || !go_on_without(*refusal_)) return failure_from(status.error());
    if (!plan_.works()) return failure_from(status.error());
    begin_again();
  }
  programs_.plan_ = std::move(plan_);
  return std::move(programs_);
}

Status GuestLoader::try_plan() {
  const bpf_object_open_opts options = open_options();
  skeleton_ = open_guest(plan_.reads_directly, options);
  if (skeleton_ == nullptr) return system_failure("cannot open the built-in BPF object");
  // Hooks come last: what they record relies on what was learned. The one for new CPUs has to miss none meanwhile.
  for (const auto step :
       {&GuestLoader::choose_programs, &GuestLoader::choose_task_programs, &GuestLoader::reuse_pinned_maps,
        &GuestLoader::load_object, &GuestLoader::take_maps, &GuestLoader::take_walkers, &GuestLoader::learn_cpus,
        &GuestLoader::find_stats, &GuestLoader::find_huge_pages, &GuestLoader::attach_hooks, &GuestLoader::hand_over}) {
    if (Status status = (this->*step)(); !status) return status;
  }
  return {};
}

Status GuestLoader::choose_programs() {
  const auto entries = static_cast<std::uint32_t>(capacity_);
  auto& maps = skeleton_->maps;
  auto& progs = skeleton_->progs;
  bpf_map__set_max_entries(maps.cpu_records, walks_cpu(plan_) ? entries : 1);
  bpf_map__set_max_entries(maps.unified_records, plan_.unified ? entries : 1);
  bpf_map__set_max_entries(maps.memory_records, entries);  // where names are, too
  // Most containers have one block device, or none.
  bpf_map__set_max_entries(maps.io_records, plan_.io ? std::min(entries, max_io_records) : 1);
  bpf_map__set_max_entries(maps.io_left, plan_.io && plan_.io_v1 ? entries / 2 : 1);
  bpf_map__set_max_entries(maps.hugetlb_records, plan_.hugetlb ? entries : 1);
  bpf_map__set_max_entries(maps.virtiofs_sums, plan_.virtiofs ? entries : 1);
  bpf_map__set_max_entries(maps.virtiofs_records, plan_.virtiofs ? entries : 1);
  if (!plan_.virtiofs) bpf_map__set_max_entries(maps.virtiofs_places, 1);
  if (!plan_.virtiofs_answers) bpf_map__set_max_entries(maps.virtiofs_requests, 1);
  bpf_map__set_max_entries(maps.numa_records, plan_.memory_nodes != 0 ? entries : 1);
  skeleton_->rodata->memory_nodes = plan_.memory_nodes;
  skeleton_->rodata->reads_io = plan_.io ? 1 : 0;
  skeleton_->rodata->io_is_v1 = plan_.io_v1 ? 1 : 0;
  skeleton_->rodata->reads_hugetlb = plan_.hugetlb ? 1 : 0;
  skeleton_->rodata->hugetlb_is_unified = plan_.hugetlb && !plan_.hugetlb_v1 ? 1 : 0;
  skeleton_->rodata->counts_virtiofs = plan_.virtiofs ? 1 : 0;
  skeleton_->rodata->counts_answers = plan_.virtiofs_answers ? 1 : 0;
  skeleton_->rodata->cpu_mask_words = plan_.cpuset ? (static_cast<std::uint32_t>(plan_.possible_cpus) + 63) / 64 : 0;
  choose_request(progs.collect_names, true);
  choose_request(progs.collect_cpu, walks_cpu(plan_));
  choose_request(progs.collect_unified, plan_.unified);
  choose_request(progs.collect_memory, plan_.memory);
  bpf_program__set_autoload(progs.learn_cpu_offset, plan_.per_cpu);
  bpf_program__set_autoload(progs.find_stats, plan_.memory_stat);
  bpf_program__set_autoload(progs.find_huge_pages, plan_.hugetlb);
  choose_request(progs.copy_stats, plan_.resolves_stats);
  bpf_program__set_autoload(progs.note_removal, plan_.removals);
  bpf_program__set_autoload(progs.note_victim, plan_.oom_events && !plan_.victim_by_pid);
  bpf_program__set_autoload(progs.note_victim_pid, plan_.oom_events && plan_.victim_by_pid);
  bpf_program__set_autoload(progs.learn_new_cpu, plan_.new_cpus);
  bpf_program__set_autoload(progs.note_request, plan_.virtiofs);
  bpf_program__set_autoload(progs.note_answer, plan_.virtiofs_answers);
  for (bpf_program* program : stall_programs(*skeleton_)) bpf_program__set_autoload(program, plan_.stalls);
  if (!plan_.oom_events) bpf_map__set_autocreate(maps.oom_wakeup, false);
  skeleton_->rodata->cpu_is_unified = plan_.unified ? 1 : 0;
  skeleton_->rodata->memory_is_unified = plan_.unified_memory ? 1 : 0;
  return {};
}

// One of both forms of a program that runs on request, if any.
void GuestLoader::choose_request(bpf_program* program, bool wanted) {
  bpf_program* by_task = find_task_form(*skeleton_, program);
  bpf_program__set_autoload(program, wanted && !plan_.requests_by_task);
  bpf_program__set_autoload(by_task, wanted && plan_.requests_by_task);
}

bpf_program* GuestLoader::request_form(bpf_program* program) const {
  return plan_.requests_by_task ? find_task_form(*skeleton_, program) : program;
}

Status GuestLoader::choose_task_programs() {
  const auto entries = static_cast<std::uint32_t>(capacity_);
  auto& maps = skeleton_->maps;
  auto& progs = skeleton_->progs;
  bpf_map__set_max_entries(maps.pressure_records, plan_.pressure ? entries : 1);
  bpf_map__set_max_entries(maps.mkdir_times, entries);
  bpf_map__set_max_entries(maps.sched_tasks, plan_.task_sums ? max_sched_tasks : 1);
  // An LRU map begins to let go somewhat before it is full.
  bpf_map__set_max_entries(maps.sched_cgroups, plan_.task_sums ? 4 * entries : 1);
  choose_request(progs.collect_pressure, plan_.pressure);
  bpf_program__set_autoload(progs.note_mkdir, plan_.mkdir_times);
  bpf_program__set_autoload(progs.walk_tasks, plan_.tasks_walk);
  bpf_program__set_autoload(progs.note_task_end, plan_.task_sums);
  bpf_program__set_autoload(progs.walk_sched_sums, plan_.task_sums);
  skeleton_->rodata->reads_pressure = plan_.pressure ? 1 : 0;
  skeleton_->rodata->tick_ns = plan_.tick_ns;
  skeleton_->rodata->tasks_hierarchy = static_cast<std::uint32_t>(plan_.tasks_hierarchy);
  skeleton_->rodata->mkdir_hierarchy = static_cast<std::uint32_t>(plan_.tasks_hierarchy);
  skeleton_->rodata->own_tgid = static_cast<std::uint32_t>(getpid());
  std::copy(plan_.network_counters.begin(), plan_.network_counters.end(), skeleton_->rodata->network_counters);
  skeleton_->rodata->network_counter_count = static_cast<std::uint32_t>(plan_.network_counters.size());
  for (const std::uint16_t counter : plan_.network_counters) programs_.network_figures_ |= 1u << (counter >> 8);
  skeleton_->rodata->counts_files = plan_.open_files ? 1 : 0;
  skeleton_->rodata->sums_sched = plan_.task_sums ? 1 : 0;
  return {};
}

std::vector<bpf_map*> GuestLoader::pinned_maps() const {
  const auto& maps = skeleton_->maps;
  std::vector<bpf_map*> pinned{maps.removed,    maps.oom_events,  maps.status_map, maps.state,
                               maps.stall_sums, maps.mkdir_times, maps.io_left};
  if (plan_.virtiofs) pinned.push_back(maps.virtiofs_sums);
  if (plan_.virtiofs_answers) pinned.push_back(maps.virtiofs_requests);
  return pinned;
}

// Requests that were in flight when answers were last counted have ended since, and nobody has counted that: virtiofs is
// counted anew.
void GuestLoader::forget_other_form() const {
  const std::string sums = maps_ + "/" + bpf_map__name(skeleton_->maps.virtiofs_sums);
  const std::string requests = maps_ + "/" + bpf_map__name(skeleton_->maps.virtiofs_requests);
  const bool with_answers = access(requests.c_str(), F_OK) == 0;
  if (plan_.virtiofs && with_answers == plan_.virtiofs_answers) return;
  unlink(sums.c_str());
  unlink(requests.c_str());
}

Status GuestLoader::reuse_pinned_maps() {
  if (pins_ == nullptr) return {};
  layout_ = fmt::format("{}-{}-{}", layout_of(*bpf_object__btf(skeleton_->obj), pinned_structures), int{REMOVED_SLOTS},
                        int{OOM_SLOTS});
  Status made = make_folder(layout_, here_);
  if (made) made = make_folder(layout_ + "/maps", maps_);
  if (made) made = make_folder(layout_ + "/loads", loads_);
  if (!made) return made;

  forget_other_form();
  for (bpf_map* map : pinned_maps()) {
    const std::string path = maps_ + "/" + bpf_map__name(map);
    const Fd pinned(bpf_obj_get(path.c_str()));
    if (!pinned && errno == ENOENT) continue;
    if (!pinned) return system_failure("cannot open " + path);
    if (const int status = bpf_map__reuse_fd(map, pinned.get()); status != 0) {
      return system_failure("cannot use " + path, -status);
    }
    if (map != skeleton_->maps.status_map) continue;
    const Result<Mapping> status = Mapping::read_only(pinned, static_cast<std::size_t>(getpagesize()));
    if (!status) return failure_from(status.error());
    generation_ = status->as<guest_status>()[0].generation + 1;
  }
  skeleton_->rodata->generation = generation_;
  made = make_folder(layout_ + "/loads/" + std::to_string(generation_), here_);
  if (!made) return made;
  // An earlier start may have ended half-way in it.
  if (const auto cleared = pins_->clear(here_); !cleared) return failure_from(cleared.error());
  return {};
}

Status GuestLoader::make_folder(const std::string& name, std::string& path) const {
  const Result<std::string> made = pins_->make(name);
  if (!made) return failure_from(made.error());
  path = *made;
  return {};
}

Status GuestLoader::take_maps() {
  auto& maps = skeleton_->maps;
  const auto duplicate = [](const bpf_map* map, Fd& into) -> Status {
    Result<Fd> fd = Fd::duplicate(bpf_map__fd(map));
    if (!fd) return failure_from(fd.error());
    into = *std::move(fd);
    return {};
  };
  const bpf_map* each = nullptr;
  bpf_object__for_each_map(each, skeleton_->obj) programs_.kernel_bytes_ += kernel_bytes_of(bpf_map__fd(each));
  Fd requests;
  Fd status;
  Fd state;
  for (Status step :
       {duplicate(maps.requests, requests), duplicate(maps.status_map, status), duplicate(maps.state, state),
        duplicate(maps.removed, programs_.removed_), duplicate(maps.oom_events, programs_.oom_events_)}) {
    if (!step) return step;
  }
  Result<Requests> mapped_requests = Requests::map(requests);
  if (!mapped_requests) return failure_from(mapped_requests.error());
  programs_.requests_ = std::make_unique<Requests>(*std::move(mapped_requests));
  Result<Mapping> mapped_status = Mapping::writable(status, sizeof(guest_status));
  if (!mapped_status) return failure_from(mapped_status.error());
  programs_.status_ = *std::move(mapped_status);
  Result<PersistentState> mapped_state = PersistentState::map(state, boottime_ns());
  if (!mapped_state) return failure_from(mapped_state.error());
  programs_.state_ = *std::move(mapped_state);
  if (pins_ == nullptr) return {};
  for (const bpf_map* map : pinned_maps()) {
    if (bpf_obj_pin(bpf_map__fd(map), (maps_ + "/" + bpf_map__name(map)).c_str()) != 0 && errno != EEXIST) {
      return system_failure(std::string("cannot keep ") + bpf_map__name(map));
    }
  }
  return {};
}

Status GuestLoader::pin(int fd, const std::string& folder, const std::string& name) const {
  if (bpf_obj_pin(fd, (folder + "/" + name).c_str()) == 0) return {};
  return system_failure("cannot pin " + name + " in " + folder);
}

Status GuestLoader::take_iterator(bpf_program* program, const bpf_map* over, IterProgram& into) {
  bpf_iter_link_info info{};
  bpf_iter_attach_opts options{};
  options.sz = sizeof(options);
  if (over != nullptr) {
    info.map.map_fd = static_cast<std::uint32_t>(bpf_map__fd(over));
    options.link_info = &info;
    options.link_info_len = sizeof(info);
  }
  const std::string name = bpf_program__name(program);
  const bool faulty = options_.faults.attach.contains(without_form(name));
  const Link link(faulty ? nullptr : bpf_program__attach_iter(program, &options));
  if (link == nullptr) return refused({name, KernelRefusal::Step::attach, faulty ? EPERM : errno, {}});
  const auto through = name.ends_with(task_form) ? IterProgram::Over::tasks : IterProgram::Over::requests;
  if (pins_ != nullptr) {
    into = IterProgram(Fd(), here_ + "/" + name, through);
    return pin(bpf_link__fd(link.get()), here_, name);
  }
  Result<Fd> fd = Fd::duplicate(bpf_link__fd(link.get()));
  if (!fd) return failure_from(fd.error());
  into = IterProgram(*std::move(fd), "", through);
  return {};
}

Status GuestLoader::take_request(bpf_program* program, IterProgram& into) {
  return take_iterator(request_form(program), plan_.requests_by_task ? nullptr : skeleton_->maps.requests, into);
}

Status GuestLoader::take_walker(bpf_program* program, bpf_map* records, std::size_t record_bytes,
                                GuestPrograms::Walker& into) {
  Result<Fd> map = Fd::duplicate(bpf_map__fd(records));
  if (!map) return failure_from(map.error());
  into.records = RecordWindow(*std::move(map), record_bytes, bpf_map__max_entries(records));
  return take_request(program, into.program);
}

Status GuestLoader::take_walkers() {
  auto& maps = skeleton_->maps;
  auto& progs = skeleton_->progs;
  Status status = take_walker(progs.collect_names, maps.memory_records, sizeof(memory_record), programs_.names_);
  if (status && walks_cpu(plan_)) {
    status = take_walker(progs.collect_cpu, maps.cpu_records, sizeof(cpu_record), programs_.cpu_);
  }
  if (status && plan_.unified) {
    status = take_walker(progs.collect_unified, maps.unified_records, sizeof(unified_record), programs_.unified_);
  }
  if (status && plan_.memory) {
    status = take_walker(progs.collect_memory, maps.memory_records, sizeof(memory_record), programs_.memory_);
  }
  if (status && plan_.io) status = take_records<io_record>(maps.io_records, programs_.io_);
  if (status && plan_.hugetlb) status = take_records<hugetlb_record>(maps.hugetlb_records, programs_.hugetlb_);
  if (status && plan_.memory_nodes != 0) status = take_records<numa_record>(maps.numa_records, programs_.numa_);
  if (status && plan_.virtiofs) status = take_records<virtiofs_record>(maps.virtiofs_records, programs_.virtiofs_);
  if (status && plan_.pressure) {
    status = take_walker(progs.collect_pressure, maps.pressure_records, sizeof(pressure_record), programs_.pressure_);
  }
  if (status && plan_.tasks_walk) status = take_iterator(progs.walk_tasks, nullptr, programs_.tasks_);
  if (status && plan_.task_sums) {
    status = take_iterator(progs.walk_sched_sums, maps.sched_cgroups, programs_.sched_sums_.emplace());
  }
  return status;
}

// A CPU that comes online after the hook was attached is the hook's.
Status GuestLoader::learn_cpus() {
  if (!plan_.per_cpu) return {};
  if (plan_.new_cpus) {
    if (Status status = attach_hook(skeleton_->progs.learn_new_cpu, Hook::cpuhp_enter); !status) return status;
  }
  const Result<Fd> program = Fd::duplicate(bpf_program__fd(skeleton_->progs.learn_cpu_offset));
  if (!program) return failure_from(program.error());
  const Result<std::vector<int>> online = read_cpu_list("online");
  if (!online) return failure_from(online.error());
  for (const int cpu : *online) {
    const Result<std::uint32_t> learned = test_run_on_cpu(*program, cpu);
    const bool offline = !learned && learned.error().code == ENXIO;
    if (!learned && !offline) return refused({"learn_cpu_offset", KernelRefusal::Step::run, learned.error().code, {}});
  }
  return {};
}

Status GuestLoader::find_stats() {
  if (!plan_.memory_stat) return {};
  const Result<Fd> program = Fd::duplicate(bpf_program__fd(skeleton_->progs.find_stats));
  if (!program) return failure_from(program.error());
  const std::array<std::uint64_t, 2> tables{plan_.stats_index, plan_.events_index};
  const Result<std::uint32_t> found = test_run(*program, tables);
  if (!found) return refused({"find_stats", KernelRefusal::Step::run, found.error().code, {}});
  programs_.stats_found_ = *found;
  const Result<Fd> map = Fd::duplicate(bpf_map__fd(skeleton_->maps.data_stat_index));
  if (!map) return failure_from(map.error());
  Result<StatIndexMap> indices = StatIndexMap::map(*map);
  if (!indices) return failure_from(indices.error());
  indices->set(indices->get());
  return plan_.resolves_stats ? take_stat_tables(*std::move(indices)) : Status();
}

Status GuestLoader::find_huge_pages() {
  if (!plan_.hugetlb) return {};
  const Result<Fd> program = Fd::duplicate(bpf_program__fd(skeleton_->progs.find_huge_pages));
  if (!program) return failure_from(program.error());
  const Result<std::uint32_t> found = test_run(*program);
  return found ? Status() : refused({"find_huge_pages", KernelRefusal::Step::run, found.error().code, {}});
}

Status GuestLoader::take_stat_tables(StatIndexMap indices) {
  const Result<Fd> copies = Fd::duplicate(bpf_map__fd(skeleton_->maps.stat_copies));
  if (!copies) return failure_from(copies.error());
  IterProgram copy;
  if (Status status = take_request(skeleton_->progs.copy_stats, copy); !status) return status;
  Result<StatTables> tables = StatTables::map(std::move(copy), *copies);
  if (!tables) return failure_from(tables.error());
  programs_.stat_tables_.emplace(*std::move(tables));
  programs_.stat_indices_.emplace(std::move(indices));
  return {};
}

Status GuestLoader::attach_hook(bpf_program* program, Hook hook) {
  const std::string name = bpf_program__name(program);
  const bool faulty = options_.faults.attach.contains(name);
  const Link link(faulty ? nullptr : bpf_program__attach(program));
  if (link == nullptr) return refused({name, KernelRefusal::Step::attach, faulty ? EPERM : errno, {}});
  // Without /proc it goes unsaid what the kernel skips.
  if (Status status = programs_.skipped_.add(hook, bpf_program__fd(program)); !status) {
    log_debug("{}", status.error().text);
  }
  if (pins_ != nullptr) return pin(bpf_link__fd(link.get()), here_, name);
  // The duplicate keeps the program attached; destroying libbpf's link closes only its own descriptor.
  Result<Fd> fd = Fd::duplicate(bpf_link__fd(link.get()));
  if (!fd) return failure_from(fd.error());
  programs_.hooks_.push_back(*std::move(fd));
  return {};
}

Status GuestLoader::attach_hooks() {
  auto& progs = skeleton_->progs;
  if (plan_.removals) {
    if (Status status = attach_hook(progs.note_removal, Hook::cgroup_rmdir); !status) return status;
  }
  if (plan_.stalls) {
    for (bpf_program* program : stall_programs(*skeleton_)) {
      if (Status status = attach_hook(program, Hook::reclaim); !status) return status;
    }
  }
  if (plan_.virtiofs) {
    if (Status status = attach_hook(progs.note_request, Hook::fuse_request); !status) return status;
  }
  if (plan_.virtiofs_answers) {
    if (Status status = attach_hook(progs.note_answer, Hook::fuse_request); !status) return status;
  }
  if (plan_.mkdir_times) {
    if (Status status = attach_hook(progs.note_mkdir, Hook::cgroup_mkdir); !status) return status;
  }
  if (plan_.task_sums) {
    if (Status status = attach_hook(progs.note_task_end, Hook::sched_process_free); !status) return status;
  }
  if (!plan_.oom_events) return {};
  Result<Fd> wakeup = Fd::duplicate(bpf_map__fd(skeleton_->maps.oom_wakeup));
  if (!wakeup) return failure_from(wakeup.error());
  Result<RingbufWakeup> mapped = RingbufWakeup::map(*std::move(wakeup));
  if (!mapped) return failure_from(mapped.error());
  programs_.oom_wakeup_ = *std::move(mapped);
  return attach_hook(plan_.victim_by_pid ? progs.note_victim_pid : progs.note_victim, Hook::mark_victim);
}

// From this moment on the hooks of this load record, and those of an earlier one do not.
Status GuestLoader::hand_over() {
  reinterpret_cast<volatile guest_status*>(programs_.status_.data())->generation = generation_;
  if (pins_ == nullptr) return {};
  const auto cleared = pins_->clear(loads_, std::to_string(generation_));
  if (!cleared) return failure_from(cleared.error());
  const auto others = pins_->clear(pins_->path(), layout_);
  if (!others) return failure_from(others.error());
  if (!others->empty()) {
    log_warning("started clean: this guest-probe cannot read the pinned state of another version ({})",
                fmt::join(*others, ", "));
  }
  return {};
}

Result<GuestPrograms> GuestPrograms::load(const GuestPlan& plan, std::size_t capacity, const PinDirectory* pins,
                                          const LoadOptions& options) {
  return GuestLoader(plan, capacity, pins, options).load();
}

Result<std::vector<std::string>> GuestPrograms::names() {
  ::guest* skeleton = ::guest::open();
  if (skeleton == nullptr) return system_failure("cannot open the built-in BPF object");
  std::vector<std::string> names;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) names.emplace_back(bpf_program__name(program));
  ::guest::destroy(skeleton);
  return names;
}

}  // namespace katameter::guest
