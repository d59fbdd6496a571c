#include <bpf/btf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "bpf/guest/records.h"
#include "guest-probe/bpf/facts.h"
#include "tests/vm/daemon.h"
#include "tests/vm/report.h"
#include "tests/vm/test_cgroup.h"
#include "tests/vm/workload.h"
#include "userspace/bpf/load.h"
#include "userspace/fd.h"

// Containers on the virtiofs of vm.sh --share; what they do is counted by themselves and by the kernel's trace.
using namespace katameter;
using namespace katameter::guest;

namespace {

const std::string share = "/run/katameter-share";

bool counted_by_kernel() {
  if (read_kernel_facts().fuse_requests) return true;
  const Daemon daemon;
  const TestCgroup cgroup('1');
  const auto row = Daemon::find(daemon.dump(), cgroup.id());
  REQUIRE(row);
  CHECK_FALSE(row->virtiofs_reads);
  leave_out("this kernel has no tracepoints of FUSE requests");
  return false;
}

// Whether writeback copies the pages, as before 6.16: nobody knows then whose they were.
bool copies_pages() {
  const KernelTypes types = read_kernel_types();
  REQUIRE(types);
  const int id = btf__find_by_name_kind(types.get(), "fuse_writepage_args", BTF_KIND_STRUCT);
  if (id < 0) return false;
  const btf_type* type = btf__type_by_id(types.get(), static_cast<unsigned>(id));
  for (int i = 0; i < btf_vlen(type); ++i) {
    const char* name = btf__name_by_offset(types.get(), btf_members(type)[i].name_off);
    if (std::strcmp(name, "writepages_entry") == 0) return true;
  }
  return false;
}

// A process in a container that waits for its turn, works, and ends.
class Actor {
 public:
  Actor(const TestCgroup& cgroup, const std::function<void()>& work) {
    std::array<int, 2> turn{};
    std::array<int, 2> there{};
    REQUIRE((pipe2(turn.data(), O_CLOEXEC) == 0 && pipe2(there.data(), O_CLOEXEC) == 0));
    const Fd turn_read(turn[0]);
    turn_ = Fd(turn[1]);
    const Fd there_read(there[0]);
    const Fd there_write(there[1]);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    char byte = 0;
    if (pid_ == 0) {
      turn_.reset();
      // Nothing is opened once it is there: the root is a virtiofs too, and the trace has not begun.
      std::vector<const char*> controllers{"cpuacct"};
      if (!cgroup.has("cpuacct", "cgroup.controllers")) controllers = {"cpu", "memory", "pids", "cpuacct"};
      for (const char* controller : controllers) cgroup.write(controller, "cgroup.procs", "0");
      if (write(there_write.get(), "t", 1) != 1 || read(turn_read.get(), &byte, 1) != 1) _exit(1);
      work();
      _exit(0);
    }
    REQUIRE(read(there_read.get(), &byte, 1) == 1);
  }
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  ~Actor() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  void start() const { REQUIRE(write(turn_.get(), "g", 1) == 1); }
  void wait_end() {
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    CHECK(status == 0);
  }

 private:
  pid_t pid_ = -1;
  Fd turn_;
};

// By kind: the FUSE opcodes as the kernel's header has them.
std::size_t kind_of(unsigned opcode) {
  static const std::map<unsigned, std::size_t> kinds{
      {1, VIRTIOFS_LOOKUP},   {3, VIRTIOFS_LOOKUP}, {5, VIRTIOFS_LOOKUP}, {14, VIRTIOFS_OPEN},   {15, VIRTIOFS_READ},
      {16, VIRTIOFS_WRITE},   {18, VIRTIOFS_CLOSE}, {20, VIRTIOFS_SYNC},  {25, VIRTIOFS_CLOSE},  {27, VIRTIOFS_OPEN},
      {28, VIRTIOFS_READDIR}, {29, VIRTIOFS_CLOSE}, {30, VIRTIOFS_SYNC},  {34, VIRTIOFS_LOOKUP}, {35, VIRTIOFS_OPEN},
      {44, VIRTIOFS_READDIR}, {50, VIRTIOFS_SYNC},  {51, VIRTIOFS_OPEN},  {52, VIRTIOFS_LOOKUP}};
  const auto found = kinds.find(opcode);
  return found == kinds.end() ? std::size_t{VIRTIOFS_OTHER} : found->second;
}

using RequestCounts = std::array<std::uint64_t, VIRTIOFS_KINDS>;

// What the kernel's own trace has of the requests of some processes, from construction on.
class FuseTrace {
 public:
  explicit FuseTrace(std::initializer_list<pid_t> pids) {
    std::string list;
    for (const pid_t pid : pids) list += std::to_string(pid) + " ";
    write_file("tracing_on", "0");
    write_file("buffer_size_kb", "8192");
    write_file("set_event_pid", list);
    write_file("trace", "");
    write_file("events/fuse/fuse_request_send/enable", "1");
    write_file("tracing_on", "1");
  }
  FuseTrace(const FuseTrace&) = delete;
  FuseTrace& operator=(const FuseTrace&) = delete;
  ~FuseTrace() {
    std::ofstream(tracing + "events/fuse/fuse_request_send/enable") << "0";
    std::ofstream(tracing + "set_event_pid") << "";
  }

  // "  name-123  [000] d..1   12.345678: fuse_request_send: connection 43 req 2 opcode 14 (FUSE_OPEN) len 48"
  static RequestCounts of(pid_t pid) {
    std::ifstream trace(tracing + "trace");
    RequestCounts requests{};
    for (std::string line; std::getline(trace, line);) {
      const std::size_t opcode = line.find(" opcode ");
      if (opcode == std::string::npos || line.find("-" + std::to_string(pid) + " ") == std::string::npos) continue;
      ++requests[kind_of(static_cast<unsigned>(std::stoul(line.substr(opcode + 8))))];
    }
    return requests;
  }

 private:
  inline static const std::string tracing = "/sys/kernel/tracing/";
  static void write_file(const std::string& file, const std::string& text) {
    std::ofstream out(tracing + file);
    out << text << std::flush;
    INFO("writing " << text << " to " << tracing << file);
    REQUIRE(out);
  }
};

RequestCounts requests_of(const wire::Container& row) {
  return {row.virtiofs_reads.value_or(0),  row.virtiofs_writes.value_or(0),  row.virtiofs_opens.value_or(0),
          row.virtiofs_closes.value_or(0), row.virtiofs_lookups.value_or(0), row.virtiofs_readdirs.value_or(0),
          row.virtiofs_syncs.value_or(0),  row.virtiofs_others.value_or(0)};
}

// All requests of a row whose time is known. Their times must be together what the row says.
std::uint64_t timed_requests(const wire::Container& row) {
  struct Bucket {
    wire::Figure requests;
    std::uint64_t over_ns;
    std::uint64_t up_to_ns;
  };
  constexpr std::uint64_t us = 1'000;
  constexpr std::uint64_t ms = 1'000'000;
  constexpr std::uint64_t hour = 3'600'000 * ms;
  std::uint64_t requests = 0;
  std::uint64_t min_ns = 0;
  std::uint64_t max_ns = 0;
  for (const Bucket& bucket :
       {Bucket{row.virtiofs_up_to_100us, 0, 100 * us}, Bucket{row.virtiofs_up_to_1ms, 100 * us, ms},
        Bucket{row.virtiofs_up_to_10ms, ms, 10 * ms}, Bucket{row.virtiofs_up_to_100ms, 10 * ms, 100 * ms},
        Bucket{row.virtiofs_up_to_1s, 100 * ms, 1000 * ms}, Bucket{row.virtiofs_over_1s, 1000 * ms, hour}}) {
    requests += bucket.requests.value();
    min_ns += *bucket.requests * bucket.over_ns;
    max_ns += *bucket.requests * bucket.up_to_ns;
  }
  const std::uint64_t ns =
      *row.virtiofs_read_ns + *row.virtiofs_write_ns + *row.virtiofs_sync_ns + *row.virtiofs_metadata_ns;
  CHECK(ns >= min_ns);
  CHECK(ns <= max_ns);
  return requests;
}

std::uint64_t all_requests(const RequestCounts& requests) {
  return std::accumulate(requests.begin(), requests.end(), std::uint64_t{0});
}

// The row when all of its requests have been answered: a RELEASE is, after its close().
wire::Container settled(const Daemon& daemon, const std::string& id) {
  wire::Container row = row_of(daemon, id);
  for (int attempt = 0; attempt < 300 && row.virtiofs_in_flight.value_or(0) != 0; ++attempt) {
    usleep(20'000);
    row = row_of(daemon, id);
  }
  return row;
}

void need(bool done) {
  if (!done) _exit(9);
}

constexpr std::size_t direct_writes = 60;
constexpr std::size_t direct_reads = 40;
constexpr std::size_t missing_names = 20;
constexpr std::size_t created_files = 5;
constexpr std::size_t fsyncs = 3;
constexpr std::size_t buffered_bytes = 3'000'000;
constexpr std::size_t mapped_bytes = 262'144;

// Direct I/O of 4 KiB, missing names, and a write that the host refuses.
void work_directly() {
  void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const Fd file(open((share + "/direct").c_str(), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600));
  need(memory != MAP_FAILED && file);
  for (std::size_t i = 0; i < direct_writes; ++i)
    need(pwrite(file.get(), memory, page, static_cast<off_t>(i * page)) == page);
  for (std::size_t i = 0; i < direct_reads; ++i)
    need(pread(file.get(), memory, page, static_cast<off_t>(i * page)) == page);
  struct stat none {};
  for (std::size_t i = 0; i < missing_names; ++i)
    need(stat((share + "/missing-" + std::to_string(i)).c_str(), &none) != 0);
  need(pwrite(file.get(), memory, page, off_t{1} << 61) < 0);
}

// Files, a directory, buffered I/O that ends within a page, and a mapping that its owner writes back.
void work_buffered() {
  for (std::size_t i = 0; i < created_files; ++i) {
    const Fd made(open((share + "/made-" + std::to_string(i)).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    need(static_cast<bool>(made));
  }
  const Fd file(open((share + "/buffered").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  const std::string bytes(50'000, 'b');
  for (std::size_t done = 0; done < buffered_bytes; done += bytes.size())
    need(write(file.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  for (std::size_t i = 0; i < fsyncs; ++i) need(fsync(file.get()) == 0);
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  std::string into(bytes.size(), 0);
  for (std::size_t at = 0; at < buffered_bytes; at += into.size())
    need(pread(file.get(), into.data(), into.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(into.size()));
  for (const auto& entry : std::filesystem::directory_iterator(share)) need(!entry.path().empty());
  for (std::size_t i = 0; i < created_files; ++i) need(unlink((share + "/made-" + std::to_string(i)).c_str()) == 0);

  const Fd mapped(open((share + "/mapped").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  need(mapped && ftruncate(mapped.get(), mapped_bytes) == 0);
  auto* memory = static_cast<char*>(mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mapped.get(), 0));
  need(memory != MAP_FAILED);
  for (std::size_t i = 0; i < mapped_bytes; i += page) memory[i] = 'm';
  need(msync(memory, mapped_bytes, MS_SYNC) == 0);
}

// The mount of the share, for the whole program. A guest without it (vm.sh --share) fails.
void need_share() {
  if (std::filesystem::exists(share)) return;
  std::filesystem::create_directory(share);
  const int mounted = mount("share", share.c_str(), "virtiofs", 0, nullptr);
  INFO("mounting the share: " << std::strerror(errno));
  REQUIRE(mounted == 0);
  // The program's own pages are on a virtiofs too: what is read once is in the page cache.
  const pid_t warming = fork();
  REQUIRE(warming >= 0);
  if (warming == 0) {
    work_directly();
    work_buffered();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(warming, &status, 0) == warming);
  REQUIRE(status == 0);
}

// Both at once, each in its container; what the trace has of them.
struct Worked {
  RequestCounts direct;
  RequestCounts buffered;
  std::uint64_t ns = 0;
};

Worked work_in(const TestCgroup& direct, const TestCgroup& buffered) {
  for (const auto& entry : std::filesystem::directory_iterator(share)) std::filesystem::remove(entry.path());
  Actor one(direct, &work_directly);
  Actor other(buffered, &work_buffered);
  const FuseTrace trace({one.pid(), other.pid()});
  const pid_t pids[] = {one.pid(), other.pid()};
  timespec start{};
  timespec end{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  one.start();
  other.start();
  one.wait_end();
  other.wait_end();
  clock_gettime(CLOCK_MONOTONIC, &end);
  Worked worked{FuseTrace::of(pids[0]), FuseTrace::of(pids[1]), 0};
  worked.ns = static_cast<std::uint64_t>((end.tv_sec - start.tv_sec) * 1'000'000'000 + end.tv_nsec - start.tv_nsec);
  return worked;
}

void check_direct(const wire::Container& row, std::uint64_t rounds = 1) {
  CHECK(row.virtiofs_read_bytes == rounds * direct_reads * page);
  CHECK(row.virtiofs_written_bytes == rounds * direct_writes * page);
}

void check_buffered(const wire::Container& row, std::uint64_t rounds = 1) {
  CHECK(row.virtiofs_written_bytes == rounds * (buffered_bytes + mapped_bytes));
  CHECK(row.virtiofs_syncs >= rounds * fsyncs);
}

RequestCounts operator+(RequestCounts one, const RequestCounts& other) {
  for (std::size_t i = 0; i < one.size(); ++i) one[i] += other[i];
  return one;
}

}  // namespace

TEST_CASE("Requests to virtiofs are by container and kind those of the kernel's trace, and their bytes the workload's",
          "[virtiofs]") {
  if (!counted_by_kernel()) return;
  need_share();
  const Daemon daemon({}, {"--virtiofs=all"});
  const TestCgroup direct('1');
  const TestCgroup buffered('2');
  const TestCgroup idle('3');
  const wire::Guest before = daemon.dump().snapshot.guest;
  const Worked worked = work_in(direct, buffered);

  const wire::Container one = settled(daemon, direct.id());
  CHECK(requests_of(one) == worked.direct);
  check_direct(one);
  CHECK(one.virtiofs_reads == direct_reads);
  CHECK(one.virtiofs_writes == direct_writes + 1);
  CHECK(one.virtiofs_lookups >= missing_names);
  CHECK((one.virtiofs_read_errors == 0 && one.virtiofs_write_errors == 1 && one.virtiofs_sync_errors == 0));
  CHECK((*one.virtiofs_read_ns > 0 && *one.virtiofs_write_ns > 0 && *one.virtiofs_metadata_ns > 0));
  // It has one request at a time, but for the RELEASE at its end.
  CHECK(*one.virtiofs_read_ns + *one.virtiofs_write_ns <= worked.ns);
  CHECK(one.virtiofs_in_flight == 0);
  CHECK(timed_requests(one) == all_requests(worked.direct));

  const wire::Container other = settled(daemon, buffered.id());
  CHECK(requests_of(other) == worked.buffered);
  check_buffered(other);
  // The file that is mapped is read before it is written to, by whole pages.
  CHECK(*other.virtiofs_read_bytes >= buffered_bytes);
  CHECK(*other.virtiofs_read_bytes <= buffered_bytes + mapped_bytes);
  CHECK(other.virtiofs_opens >= created_files + 2);
  CHECK(other.virtiofs_readdirs >= 1);
  CHECK(other.virtiofs_others >= created_files);
  CHECK((other.virtiofs_read_errors == 0 && other.virtiofs_write_errors == 0 && other.virtiofs_sync_errors == 0));
  CHECK(*other.virtiofs_sync_ns > 0);
  CHECK(timed_requests(other) == all_requests(worked.buffered));

  CHECK_FALSE(row_of(daemon, idle.id()).virtiofs_reads);
  const wire::Guest after = daemon.dump().snapshot.guest;
  CHECK(after.virtiofs_lost == before.virtiofs_lost);
  // Removing the files was this process' work.
  CHECK(*after.virtiofs_system_requests > *before.virtiofs_system_requests);
  CHECK(after.virtiofs_unknown_requests == before.virtiofs_unknown_requests);
}

TEST_CASE("Without answers, requests and what was asked for are counted when they are sent", "[virtiofs]") {
  if (!counted_by_kernel()) return;
  need_share();
  const Daemon daemon({}, {"--virtiofs=counts"});
  const TestCgroup direct('1');
  const TestCgroup buffered('2');
  const Worked worked = work_in(direct, buffered);
  const wire::Container one = row_of(daemon, direct.id());
  CHECK(requests_of(one) == worked.direct);
  CHECK(one.virtiofs_read_bytes == direct_reads * page);
  // The one that the host refused is among them.
  CHECK(one.virtiofs_written_bytes == (direct_writes + 1) * page);
  CHECK((!one.virtiofs_read_ns && !one.virtiofs_write_errors && !one.virtiofs_in_flight && !one.virtiofs_over_1s));
  const wire::Container other = row_of(daemon, buffered.id());
  CHECK(requests_of(other) == worked.buffered);
  check_buffered(other);
}

TEST_CASE("With --virtiofs=off nothing is counted", "[virtiofs]") {
  if (!counted_by_kernel()) return;
  need_share();
  const Daemon daemon({}, {"--virtiofs=off"});
  const TestCgroup direct('1');
  const TestCgroup buffered('2');
  (void)work_in(direct, buffered);
  CHECK_FALSE(row_of(daemon, direct.id()).virtiofs_reads);
  CHECK_FALSE(daemon.dump().snapshot.guest.virtiofs_lost);
}

TEST_CASE("What a nested cgroup asks of virtiofs is its container's, after it is gone as well", "[virtiofs]") {
  if (!counted_by_kernel()) return;
  need_share();
  const Daemon daemon({}, {"--virtiofs=all"});
  const TestCgroup direct('1');
  const TestCgroup other('2');
  Worked worked;
  {
    const TestCgroup nested('1', "/nested");
    worked = work_in(nested, other);
    CHECK(requests_of(settled(daemon, direct.id())) == worked.direct);
  }
  const wire::Container row = settled(daemon, direct.id());
  CHECK(requests_of(row) == worked.direct);
  check_direct(row);
}

TEST_CASE("A removed container is reported with what it asked of virtiofs, across a restart too", "[virtiofs]") {
  if (!counted_by_kernel()) return;
  need_share();
  Daemon daemon({}, {"--virtiofs=all"});
  TestCgroup direct('1');
  const TestCgroup buffered('2');
  const Worked first = work_in(direct, buffered);
  daemon.end(SIGKILL);
  // Nobody is there to be asked; the programs are.
  const Worked second = work_in(direct, buffered);
  const std::string id = direct.id();
  direct.remove();
  daemon.start();
  const wire::Container gone = row_of(daemon, id);
  CHECK(gone.removed);
  CHECK(requests_of(gone) == first.direct + second.direct);
  check_direct(gone, 2);
  CHECK(gone.virtiofs_write_errors == 2);
  // What follows the last close() may have been under way when it was removed.
  CHECK(timed_requests(gone) <= all_requests(requests_of(gone)));
  CHECK(timed_requests(gone) >= 2 * (direct_reads + direct_writes));
  const wire::Container living = settled(daemon, buffered.id());
  CHECK(requests_of(living) == first.buffered + second.buffered);
  check_buffered(living, 2);
  CHECK(living.virtiofs_in_flight == 0);
  CHECK(timed_requests(living) == all_requests(requests_of(living)));
}

TEST_CASE("The kernel's own counts of virtiofs have every request, and those that wait", "[virtiofs]") {
  need_share();
  const Daemon daemon({}, {"--virtiofs=off"});
  const TestCgroup direct('1');
  const TestCgroup buffered('2');
  const wire::Guest before = daemon.dump().snapshot.guest;
  REQUIRE((before.virtiofs_requests && before.virtiofs_waiting));
  const Worked worked = work_in(direct, buffered);
  std::uint64_t made = 0;
  for (const RequestCounts& requests : {worked.direct, worked.buffered}) made += all_requests(requests);
  const wire::Guest after = daemon.dump().snapshot.guest;
  // Others use the virtiofs that the guest has for its root.
  CHECK(*after.virtiofs_requests - *before.virtiofs_requests >= made);
  CHECK(*after.virtiofs_requests - *before.virtiofs_requests <= made + 1000);

  auto reader = std::make_unique<Actor>(direct, [] {
    void* memory = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const Fd file(open((share + "/direct").c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    for (;;) need(pread(file.get(), memory, page, 0) == page);
  });
  reader->start();
  std::uint64_t waiting = 0;
  for (int attempt = 0; attempt < 300 && waiting == 0; ++attempt) {
    waiting = daemon.dump().snapshot.guest.virtiofs_waiting.value_or(0);
  }
  CHECK(waiting >= 1);
  CHECK(waiting <= 16);
  reader.reset();
  for (int attempt = 0; attempt < 300 && waiting != 0; ++attempt) {
    usleep(20'000);
    waiting = daemon.dump().snapshot.guest.virtiofs_waiting.value_or(1);
  }
  CHECK(waiting == 0);
}

TEST_CASE("Pages that the kernel writes back are their container's where it knows whose they are", "[virtiofs]") {
  if (!counted_by_kernel()) return;
  need_share();
  const Daemon daemon({}, {"--virtiofs=all"});
  const TestCgroup cgroup('1');
  std::array<int, 2> dirty{};
  REQUIRE(pipe2(dirty.data(), O_CLOEXEC) == 0);
  const Fd dirty_read(dirty[0]);
  const Fd dirty_write(dirty[1]);
  Actor actor(cgroup, [&] {
    const Fd file(open((share + "/flushed").c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600));
    need(file && ftruncate(file.get(), mapped_bytes) == 0);
    auto* memory = static_cast<char*>(mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
    need(memory != MAP_FAILED);
    for (std::size_t i = 0; i < mapped_bytes; i += page) memory[i] = 'f';
    need(write(dirty_write.get(), "d", 1) == 1);
    pause();
  });
  actor.start();
  char byte = 0;
  REQUIRE(read(dirty_read.get(), &byte, 1) == 1);
  const wire::Guest before = daemon.dump().snapshot.guest;
  sync();
  const wire::Container row = settled(daemon, cgroup.id());
  const std::uint64_t unknown =
      *daemon.dump().snapshot.guest.virtiofs_unknown_written_bytes - *before.virtiofs_unknown_written_bytes;
  if (copies_pages()) {
    CHECK(row.virtiofs_written_bytes == 0);
    CHECK(unknown >= mapped_bytes);
  } else {
    CHECK(row.virtiofs_written_bytes == mapped_bytes);
    CHECK(unknown == 0);
  }
}
