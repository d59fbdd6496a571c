#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include "tests/support/host_peer.h"
#include "tests/vm/cgroup_files.h"
#include "tests/vm/daemon.h"
#include "tests/vm/workload.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

std::uint64_t listed(const TestCgroup& cgroup) {
  std::ifstream file(cgroup.file_path("cpuacct", "cgroup.procs"));
  std::uint64_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

std::uint64_t boottime_ns() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// The fields of /proc/PID/stat after the name, the first of which is number 3.
std::vector<std::uint64_t> stat_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  std::getline(file, line);
  std::vector<std::uint64_t> fields(3);
  std::string field;
  for (std::istringstream rest(line.substr(line.rfind(')') + 1)); rest >> field;) {
    fields.push_back(std::strtoull(field.c_str(), nullptr, 10));
  }
  return fields;
}

// A process in the cgroup that does what `body` does and never returns.
class Child {
 public:
  Child(const TestCgroup* cgroup, void (*body)()) : pid_(fork()) {
    REQUIRE(pid_ >= 0);
    if (pid_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (cgroup != nullptr) {
      for (const char* controller : {"cpuacct", "cpu", "memory", "pids"}) {
        cgroup->write(controller, "cgroup.procs", "0");
      }
    }
    body();
    _exit(0);
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }
  void wait_for_state(char state) const {
    for (int attempt = 0; attempt < 2000; ++attempt) {
      std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
      std::string line;
      std::getline(file, line);
      if (line.substr(line.rfind(')') + 2, 1) == std::string(1, state)) return;
      usleep(5000);
    }
    FAIL("the process does not get into state " << state);
  }

 private:
  pid_t pid_;
};

void start_sleeping_thread() {
  pthread_t thread{};
  pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        while (true) pause();
      },
      nullptr);
}

// By the letter in /proc/PID/task/TID/stat, of all that have not ended.
std::map<char, std::uint64_t> thread_states(std::initializer_list<const TestCgroup*> cgroups) {
  std::map<char, std::uint64_t> states;
  for (const TestCgroup* cgroup : cgroups) {
    std::ifstream threads(cgroup->file_path("pids", is_v1(*cgroup) ? "tasks" : "cgroup.threads"));
    for (std::string thread; threads >> thread;) {
      std::ifstream file("/proc/" + thread + "/stat");
      std::string line;
      std::getline(file, line);
      if (!line.empty()) ++states[line[line.rfind(')') + 2]];
    }
  }
  return states;
}

void leave_a_thread_behind() {
  start_sleeping_thread();
  syscall(SYS_exit, 0);  // of this thread; pthread_exit() would unwind the stack of the test
}

// CPU time of a task: task_struct.se.sum_exec_runtime. A kernel without CONFIG_SCHED_INFO shows it in ticks only,
// divided in two, each rounded down.
CpuFile cpu_of_task(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/schedstat");
  if (std::uint64_t ns = 0; file >> ns) return {ns, 1};
  constexpr std::uint64_t tick_ns = 10'000'000;
  const std::vector<std::uint64_t> stat = stat_of(pid);
  if (stat.size() <= 15) return {0, 2 * tick_ns};
  return {(stat[14] + stat[15]) * tick_ns, 2 * tick_ns};
}

CpuFile cpu_of_threads(pid_t pid) {
  CpuFile total{0, 0};
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    total = total + cpu_of_task(thread.path().filename());
  }
  return total;
}

struct OpenFiles {
  std::uint64_t descriptors = 0;
  std::uint64_t sockets = 0;
};

// As cAdvisor counts: what /proc/PID/fd has of the processes that cgroup.procs lists.
OpenFiles open_files(std::initializer_list<const TestCgroup*> cgroups) {
  OpenFiles files;
  for (const TestCgroup* cgroup : cgroups) {
    std::ifstream processes(cgroup->file_path("cpuacct", "cgroup.procs"));
    for (std::string pid; processes >> pid;) {
      for (const auto& entry : std::filesystem::directory_iterator("/proc/" + pid + "/fd")) {
        ++files.descriptors;
        if (std::filesystem::read_symlink(entry).string().starts_with("socket:")) ++files.sockets;
      }
    }
  }
  return files;
}

using TaskTimes = std::map<std::string, CpuFile>;

TaskTimes kernel_threads() {
  constexpr std::uint64_t kernel_thread = 0x00200000;
  TaskTimes threads;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::vector<std::uint64_t> stat = stat_of(pid);
    if (stat.size() > 9 && (stat[9] & kernel_thread) != 0) threads[pid] = cpu_of_task(pid);
  }
  return threads;
}

CpuFile sum(const TaskTimes& threads) {
  CpuFile total{0, 0};
  for (const auto& [pid, time] : threads) total = total + time;
  return total;
}

bool same_keys(const TaskTimes& a, const TaskTimes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& one, const auto& other) { return one.first == other.first; });
}

}  // namespace

TEST_CASE("The processes of a container are those that cgroup.procs lists", "[any]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  CHECK(row_of(daemon, cgroup.id()).processes == 0);
  const TestCgroup nested('1', "/nested");
  const Workload one(cgroup);
  const Workload two(cgroup);
  const Workload inner(nested);
  CHECK(row_of(daemon, cgroup.id()).processes == listed(cgroup) + listed(nested));
  CHECK(row_of(daemon, cgroup.id()).processes == 3);

  const Child zombie(&cgroup, [] {});
  zombie.wait_for_state('Z');
  const Child leaderless(&cgroup, leave_a_thread_behind);
  leaderless.wait_for_state('Z');
  const std::uint64_t before = listed(cgroup) + listed(nested);
  const wire::Figure ours = row_of(daemon, cgroup.id()).processes;
  CHECK(ours == before);
  CHECK(ours == 4);
  CHECK(listed(cgroup) + listed(nested) == before);
}

TEST_CASE("The threads of a container are counted by their states", "[any]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  const TestCgroup nested('1', "/nested");
  const auto compare = [&](const std::map<char, std::uint64_t>& at_least) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      const auto before = thread_states({&cgroup, &nested});
      const wire::Container row = row_of(daemon, cgroup.id());
      const auto after = thread_states({&cgroup, &nested});
      const bool there = std::all_of(at_least.begin(), at_least.end(), [&](const auto& least) {
        const auto found = before.find(least.first);
        return found != before.end() && found->second >= least.second;
      });
      if (before != after || !there) continue;
      const auto count = [&](char state) { return before.contains(state) ? before.at(state) : 0; };
      REQUIRE((row.threads_running && row.threads_sleeping && row.threads_stopped && row.threads_uninterruptible &&
               row.threads_io_waiting));
      CHECK(row.threads_running == count('R'));
      CHECK(row.threads_sleeping == count('S'));
      CHECK(row.threads_stopped == count('T'));
      CHECK(*row.threads_uninterruptible + *row.threads_io_waiting == count('D'));
      return;
    }
    FAIL("the threads do not hold still");
  };
  compare({});
  const Child sleeper(&cgroup, [] {
    for (int i = 0; i < 5; ++i) start_sleeping_thread();
    pause();
  });
  const Child inner(&nested, [] {
    start_sleeping_thread();
    pause();
  });
  const Child stopped(&cgroup, [] { raise(SIGSTOP); });
  const Child busy(&cgroup, [] {
    for (volatile std::uint64_t spin = 0;;) spin = spin + 1;
  });
  // The parent of a vfork() waits, in a state that no signal but SIGKILL ends, until the child has gone.
  const Child waiting(&cgroup, [] {
    if (vfork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (true) pause();
    }
  });
  stopped.wait_for_state('T');
  waiting.wait_for_state('D');
  compare({{'S', 9}, {'R', 1}, {'T', 1}, {'D', 1}});
}

TEST_CASE("The limit of open files is that of the container's oldest process", "[any]") {
  const Daemon& daemon = shared_daemon();
  const TestCgroup cgroup('1');
  CHECK_FALSE(row_of(daemon, cgroup.id()).max_open_files);
  const Child oldest(&cgroup, [] {
    const rlimit limit{77, 99};
    setrlimit(RLIMIT_NOFILE, &limit);
    pause();
  });
  oldest.wait_for_state('S');
  usleep(50'000);
  const Child younger(&cgroup, [] { pause(); });
  younger.wait_for_state('S');
  CHECK(row_of(daemon, cgroup.id()).max_open_files == 77);
}

TEST_CASE("The open files and sockets of a container are those that /proc lists, with --open-files only", "[any]") {
  const TestCgroup cgroup('1');
  const TestCgroup nested('1', "/nested");
  const Child many(&cgroup, [] {
    start_sleeping_thread();  // has the same table
    for (int number = 100; number < 1000; number += 3) dup2(0, number);
    for (int i = 0; i < 40; ++i) (void)socket(AF_UNIX, SOCK_STREAM, 0);
    // Opened by its name without being one.
    sockaddr_un address{AF_UNIX, "/tmp/katameter-open-files"};
    const int named = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(address.sun_path);
    (void)bind(named, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    (void)open(address.sun_path, O_PATH);
    pause();
  });
  const Child few(&nested, [] { pause(); });
  const Child zombie(&cgroup, [] {});
  const Child leaderless(&cgroup, leave_a_thread_behind);
  many.wait_for_state('S');
  few.wait_for_state('S');
  zombie.wait_for_state('Z');
  leaderless.wait_for_state('Z');
  {
    const wire::Container row = row_of(shared_daemon(), cgroup.id());
    CHECK((row.processes && !row.file_descriptors && !row.sockets));
  }
  const Daemon daemon({}, {"--open-files"});
  const wire::Container row = row_of(daemon, cgroup.id());
  const OpenFiles files = open_files({&cgroup, &nested});
  CHECK(files.descriptors >= 341);
  CHECK(files.sockets >= 41);
  CHECK(row.file_descriptors == files.descriptors);
  CHECK(row.sockets == files.sockets);

  // A table with room for more than is read.
  const Child huge(&cgroup, [] {
    const rlimit limit{200'000, 200'000};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || dup2(0, 150'000) < 0) _exit(1);
    pause();
  });
  huge.wait_for_state('S');
  const wire::Container beyond = row_of(daemon, cgroup.id());
  CHECK((beyond.processes && !beyond.file_descriptors && !beyond.sockets));
}

// The walk sums up in 256 places: some of these containers share one, and take turns in it.
TEST_CASE("The tasks of many containers are not mixed up, nor lost", "[any]") {
  constexpr std::size_t count = 300;
  const Daemon daemon;
  std::vector<std::unique_ptr<TestCgroup>> cgroups;
  std::vector<std::unique_ptr<Child>> children;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string id = numbered_id(6000 + i);
    cgroups.push_back(std::make_unique<TestCgroup>(id, "/cri-containerd/" + id));
  }
  for (const auto& cgroup : cgroups) {
    children.push_back(std::make_unique<Child>(cgroup.get(), [] {
      const rlimit limit{77, 99};
      setrlimit(RLIMIT_NOFILE, &limit);
      pause();
    }));
  }
  for (std::size_t i = 0; i < count; i += 2) {
    children.push_back(std::make_unique<Child>(cgroups[i].get(), [] {
      start_sleeping_thread();
      pause();
    }));
  }
  for (const auto& child : children) child->wait_for_state('S');
  const auto states = [&] {
    std::vector<std::map<char, std::uint64_t>> all;
    for (const auto& cgroup : cgroups) all.push_back(thread_states({cgroup.get()}));
    return all;
  };
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto before = states();
    const wire::Snapshot snapshot = daemon.dump().snapshot;
    if (states() != before) continue;
    for (std::size_t i = 0; i < count; ++i) {
      INFO(i);
      const auto row = find_container(snapshot, cgroups[i]->id());
      REQUIRE(row);
      CHECK(row->processes == listed(*cgroups[i]));
      CHECK(row->processes == 1 + (i + 1) % 2);
      CHECK(row->threads_sleeping == before[i].at('S'));
      CHECK(row->max_open_files == 77);
    }
    return;
  }
  FAIL("the threads do not hold still");
}

TEST_CASE("A container's start is when its cgroup was made, also once it is removed", "[any]") {
  const Daemon& daemon = shared_daemon();
  const std::uint64_t before = boottime_ns();
  TestCgroup cgroup('1');
  const std::uint64_t after = boottime_ns();
  usleep(50'000);
  wire::Figure start;
  {
    const Workload late(cgroup);
    start = row_of(daemon, cgroup.id()).start_boottime_ns;
    REQUIRE(start);
    CHECK(*start >= before);
    CHECK(*start <= after);
  }
  { const TestCgroup another('2'); }
  CHECK(row_of(daemon, cgroup.id()).start_boottime_ns == start);
  cgroup.remove();
  const wire::Container removed = row_of(daemon, cgroup.id());
  CHECK(removed.removed);
  CHECK(removed.start_boottime_ns == start);

  std::string unseen;
  const std::uint64_t before_unseen = boottime_ns();
  {
    const TestCgroup brief('3');
    unseen = brief.id();
  }
  const wire::Container last = row_of(daemon, unseen);
  REQUIRE(last.start_boottime_ns);
  CHECK((last.removed && *last.start_boottime_ns >= before_unseen && *last.start_boottime_ns <= boottime_ns()));
}

TEST_CASE("The start of a container that was made while guest-probe was gone is known afterwards", "[any]") {
  Daemon daemon;
  const TestCgroup known('1');
  const wire::Figure known_start = row_of(daemon, known.id()).start_boottime_ns;
  daemon.end(SIGKILL);
  const std::uint64_t before = boottime_ns();
  const TestCgroup cgroup('2');
  const std::uint64_t after = boottime_ns();
  daemon.start();
  const wire::Figure start = row_of(daemon, cgroup.id()).start_boottime_ns;
  REQUIRE(start);
  CHECK(*start >= before);
  CHECK(*start <= after);
  CHECK(row_of(daemon, known.id()).start_boottime_ns == known_start);
}

TEST_CASE("The start of a container older than guest-probe is that of its oldest process, and stays so", "[any]") {
  const std::uint64_t tick_ns = 1'000'000'000 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  const TestCgroup cgroup('1');
  auto oldest = std::make_unique<Workload>(cgroup);
  usleep(50'000);
  const Workload younger(cgroup);
  const std::uint64_t ticks = stat_of(std::to_string(oldest->pid())).at(22);
  const Daemon daemon;
  const wire::Figure start = row_of(daemon, cgroup.id()).start_boottime_ns;
  REQUIRE(start);
  CHECK(*start / tick_ns == ticks);
  kill(oldest->pid(), SIGKILL);  // the younger one has its pipe too, so that it would not see its end
  oldest.reset();
  CHECK(row_of(daemon, cgroup.id()).start_boottime_ns == start);

  const TestCgroup empty('2');  // seen being made
  CHECK(row_of(daemon, empty.id()).start_boottime_ns > start);
}

TEST_CASE("The owners of the guest system's CPU time have what the kernel's files say", "[any]") {
  // With so many threads there are more records than the program has room for in one run.
  static int other_threads;
  other_threads = GENERATE(0, 600);
  const Child agent(nullptr, [] {
    for (int i = 0; i < other_threads; ++i) start_sleeping_thread();
    prctl(PR_SET_NAME, "kata-agent");
    for (volatile std::uint64_t spin = 0;;) spin = spin + 1;
  });
  const TestCgroup cgroup('1');
  Workload workload(cgroup, "kata-agent");  // of a container, whatever its name
  workload.burn_cpu_ms(100);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const auto kernel_before = kernel_threads();
    const Daemon daemon;
    const CpuFile agent_before = cpu_of_threads(agent.pid());
    const CpuFile probe_before = cpu_of_threads(daemon.pid());
    const wire::Guest guest = daemon.dump().snapshot.guest;
    const CpuFile agent_after = cpu_of_threads(agent.pid());
    const CpuFile probe_after = cpu_of_threads(daemon.pid());
    const auto kernel_after = kernel_threads();
    REQUIRE((guest.kernel_cpu_usage_ns && guest.agent_cpu_usage_ns && guest.probe_cpu_usage_ns));
    CHECK(lies_between(agent_before, *guest.agent_cpu_usage_ns, agent_after));
    CHECK(lies_between(probe_before, *guest.probe_cpu_usage_ns, probe_after));
    CHECK(*guest.kernel_cpu_usage_ns + *guest.agent_cpu_usage_ns + *guest.probe_cpu_usage_ns <=
          *guest.cpu_usage_ns - *guest.workload_cpu_usage_ns);
    // A thread of the kernel that came or went meanwhile would be in one sum and not in another.
    if (!same_keys(kernel_before, kernel_after)) continue;
    CHECK(lies_between(sum(kernel_before), *guest.kernel_cpu_usage_ns, sum(kernel_after)));
    return;
  }
  FAIL("kernel threads come and go all the time");
}
