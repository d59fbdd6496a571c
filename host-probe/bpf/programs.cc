#include "host-probe/bpf/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <host.skel.h>
#include <host_direct.skel.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "bpf/lib/records.h"
#include "userspace/bpf/load.h"

namespace katameter::host {
namespace {

struct DestroySkeleton {
  void operator()(::host* skeleton) const { ::host::destroy(skeleton); }
};
using Skeleton = std::unique_ptr<::host, DestroySkeleton>;

static_assert(sizeof(::host) == sizeof(host_direct));
static_assert(sizeof(::host::host__rodata) == sizeof(host_direct::host_direct__rodata));
static_assert(offsetof(::host::host__rodata, watched) == offsetof(host_direct::host_direct__rodata, watched));
static_assert(offsetof(::host::host__rodata, own_pid_namespace) ==
              offsetof(host_direct::host_direct__rodata, own_pid_namespace));

Skeleton open_host() {
  const bpf_object_open_opts options = open_options();
  return Skeleton(kernel_reads_directly()
                      ? open_variant<::host>(&host__create_skeleton, &host_direct::elf_bytes, options)
                      : ::host::open(&options));
}

struct DestroyLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, DestroyLink>;

Status take(Fd& target, int number) {
  Result<Fd> copy = Fd::duplicate(number);
  if (!copy) return failure_from(copy.error());
  target = *std::move(copy);
  return {};
}

Result<Mapping> map_of(const bpf_map* map, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(getpagesize());
  Fd fd;
  if (Status status = take(fd, bpf_map__fd(map)); !status) return failure_from(status.error());
  return Mapping::read_only(fd, (bytes + page - 1) / page * page);
}

watched_name to_record(const WatchedName& name) {
  watched_name record{};
  const std::size_t length = std::min(name.prefix.size(), sizeof(record.name));
  std::memcpy(record.name, name.prefix.data(), length);
  std::memset(record.mask, 0xff, length);
  record.kind = name.kind;
  return record;
}

/// 0, which no namespace has, if it cannot be known.
std::uint32_t own_pid_namespace() {
  struct stat status {};
  return stat("/proc/self/ns/pid", &status) == 0 ? static_cast<std::uint32_t>(status.st_ino) : 0;
}

Result<Fd> attach(const bpf_program* program) {
  const Link link(bpf_program__attach(program));
  if (link == nullptr) return system_failure(std::string("cannot attach ") + bpf_program__name(program));
  // The duplicate keeps the program attached; libbpf's link closes only its own descriptor.
  return Fd::duplicate(bpf_link__fd(link.get()));
}

/// Runs an iterator that writes nothing once over everything.
Status run_iterator(const Fd& program) {
  const Fd link(bpf_link_create(program.get(), 0, BPF_TRACE_ITER, nullptr));
  if (!link) return system_failure("cannot attach the iterator over tasks");
  const Fd iterator(bpf_iter_create(link.get()));
  if (!iterator) return system_failure("cannot make an iterator over tasks");
  std::array<char, 64> nothing{};
  ssize_t bytes = 0;
  do {
    bytes = ::read(iterator.get(), nothing.data(), nothing.size());
  } while (bytes > 0 || (bytes < 0 && (errno == EINTR || errno == EAGAIN)));
  if (bytes < 0) return system_failure("cannot go through the tasks");
  return {};
}

}  // namespace

Result<HostPrograms> HostPrograms::load(std::span<const WatchedName> names, std::uint32_t capacity) {
  libbpf_set_print(nullptr);
  const Skeleton skeleton = open_host();
  if (skeleton == nullptr) return system_failure("cannot open the built-in BPF object");
  HostPrograms programs;
  programs.possible_cpus_ = std::clamp<int>(libbpf_num_possible_cpus(), 1, MAX_CPUS);
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), WATCHED_NAMES); ++i) {
    skeleton->rodata->watched[i] = to_record(names[i]);
  }
  skeleton->rodata->own_pid_namespace = own_pid_namespace();
  auto& maps = skeleton->maps;
  bpf_map__set_max_entries(maps.processes, capacity);
  bpf_map__set_max_entries(maps.by_signal, capacity);
  bpf_map__set_max_entries(maps.children, capacity);
  if (const int status = ::host::load(skeleton.get()); status != 0) {
    return system_failure("cannot load the host's BPF programs", -status);
  }

  auto& progs = skeleton->progs;
  const std::array<Status, 7> taken{take(programs.read_process_, bpf_program__fd(progs.read_process)),
                                    take(programs.learn_cpu_offset_, bpf_program__fd(progs.learn_cpu_offset)),
                                    take(programs.note_running_, bpf_program__fd(progs.note_running)),
                                    take(programs.children_, bpf_map__fd(maps.children)),
                                    take(programs.exec_events_, bpf_map__fd(maps.exec_events)),
                                    take(programs.processes_, bpf_map__fd(maps.processes)),
                                    take(programs.by_signal_, bpf_map__fd(maps.by_signal))};
  for (const Status& status : taken) {
    if (!status) return failure_from(status.error());
  }
  Result<Mapping> reading = map_of(maps.reading_map, sizeof(process_reading));
  Result<Mapping> status = map_of(maps.host_status_map, sizeof(host_status));
  if (!reading) return failure_from(reading.error());
  if (!status) return failure_from(status.error());
  programs.reading_ = *std::move(reading);
  programs.status_ = *std::move(status);

  // The dead before the living, and what runs already last: so nothing that is found can end unseen.
  for (const bpf_program* program :
       {progs.note_victim, progs.note_free, progs.note_exit, progs.note_fork, progs.note_rename, progs.note_exec}) {
    Result<Fd> link = attach(program);
    if (!link) return failure_from(link.error());
    programs.links_.push_back(*std::move(link));
  }
  if (Status found = programs.find_running(); !found) return failure_from(found.error());
  return programs;
}

Status HostPrograms::find_running() {
  return run_iterator(note_running_);
}

Result<bool> HostPrograms::learn_cpu(int cpu) {
  const Result<std::uint32_t> learned = test_run_on_cpu(learn_cpu_offset_, cpu);
  if (!learned && learned.error().code == ENXIO) return false;
  if (!learned) return failure_from(learned.error(), "cannot find the per-CPU variables");
  return *learned == 1;
}

Status HostPrograms::read_exec_events(const std::function<void(const exec_event&)>& consumer) {
  const auto callback = [](void* context, void* data, std::size_t size) {
    if (size >= sizeof(exec_event)) {
      (*static_cast<const std::function<void(const exec_event&)>*>(context))(*static_cast<const exec_event*>(data));
    }
    return 0;
  };
  // Sandboxes start seldom: one cheap call says that there is nothing.
  pollfd ring_fd{exec_events_.get(), POLLIN, 0};
  if (poll(&ring_fd, 1, 0) == 0) return {};
  // Made for the moment, so that in between nothing of libbpf's stays in memory.
  auto* context = const_cast<std::function<void(const exec_event&)>*>(&consumer);
  const std::unique_ptr<ring_buffer, decltype(&ring_buffer__free)> ring(
      ring_buffer__new(exec_events_.get(), callback, context, nullptr), ring_buffer__free);
  if (ring == nullptr) return system_failure("cannot read the command lines of new processes");
  const int count = ring_buffer__consume(ring.get());
  if (count < 0) return system_failure("cannot read the command lines of new processes", -count);
  return {};
}

Result<std::vector<KnownProcess>> HostPrograms::processes() const {
  constexpr std::uint32_t batch = 256;
  std::array<process_key, batch> keys{};
  std::array<process_record, batch> values{};
  std::vector<KnownProcess> found;
  std::uint32_t position = 0;
  for (bool first = true;; first = false) {
    std::uint32_t count = batch;
    const int status = bpf_map_lookup_batch(processes_.get(), first ? nullptr : &position, &position, keys.data(),
                                            values.data(), &count, nullptr);
    if (status != 0 && status != -ENOENT) return system_failure("cannot list the processes of sandboxes", -status);
    for (std::uint32_t i = 0; i < count; ++i) found.emplace_back(keys[i], values[i]);
    if (status == -ENOENT) return found;
  }
}

void HostPrograms::remove(const process_key& key) {
  process_record record{};
  if (bpf_map_lookup_elem(processes_.get(), &key, &record) != 0) return;
  process_key owner{};
  // Of a process long dead the address may by now be that of another's signal_struct.
  if (bpf_map_lookup_elem(by_signal_.get(), &record.signal, &owner) == 0 && owner.tgid == key.tgid &&
      owner.start_boottime_ns == key.start_boottime_ns) {
    bpf_map_delete_elem(by_signal_.get(), &record.signal);
  }
  bpf_map_delete_elem(processes_.get(), &key);
}

void HostPrograms::make_root(const process_key& key, std::uint32_t kind) {
  process_record record{};
  if (bpf_map_lookup_elem(processes_.get(), &key, &record) != 0) return;
  if (record.kind == PROCESS_SHIM) record.shim = record.root;
  record.root = key;
  record.kind = kind;
  // Of the moment in between nothing is lost that an old process could have: it has just begun.
  bpf_map_update_elem(processes_.get(), &key, &record, BPF_EXIST);
}

void HostPrograms::set_children(const process_key& root, std::uint32_t count) {
  if (count == 0) {
    bpf_map_delete_elem(children_.get(), &root);
  } else {
    bpf_map_update_elem(children_.get(), &root, &count, BPF_EXIST);
  }
}

Result<const process_reading*> HostPrograms::read(const process_key& key) {
  const std::array<std::uint64_t, 2> arguments{key.start_boottime_ns, key.tgid};
  if (const auto ran = test_run(read_process_, arguments); !ran) return failure_from(ran.error());
  return reinterpret_cast<const process_reading*>(reading_.data());
}

const volatile host_status& HostPrograms::status() const {
  return *reinterpret_cast<const volatile host_status*>(status_.data());
}

}  // namespace katameter::host
