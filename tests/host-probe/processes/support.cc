#include "tests/host-probe/processes/support.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <fstream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace katameter::host::testing {
namespace {

namespace fs = std::filesystem;

std::string comm_of(const fs::path& task) {
  std::string comm;
  std::ifstream file(task / "comm");
  std::getline(file, comm);
  return comm;
}

/// Figure `index` of schedstat, summed over the threads of that name.
std::uint64_t sum_schedstat(pid_t pid, const std::string& comm, int index) {
  std::uint64_t sum = 0;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    if (!comm_of(task.path()).starts_with(comm)) continue;
    std::ifstream file(task.path() / "schedstat");
    std::uint64_t value = 0;
    for (int i = 0; i <= index; ++i) file >> value;
    sum += value;
  }
  return sum;
}

bool all_asleep(pid_t pid) {
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    std::ifstream file(task.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    const std::size_t name_end = stat.rfind(") ");
    if (name_end == std::string::npos || stat.at(name_end + 2) != 'S') return false;
  }
  return true;
}

}  // namespace

void make_socket(const fs::path& path) {
  fs::create_directories(path.parent_path());
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const fs::path before = fs::current_path();
  fs::current_path(path.parent_path());  // the name alone always fits into an address
  path.filename().string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int bound = bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  fs::current_path(before);
  if (bound != 0) throw std::runtime_error("cannot bind " + path.string());
}

void wait_asleep(pid_t pid) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  // Twice: a thread is marked asleep shortly before it leaves its CPU.
  for (int asleep = 0; asleep < 2;) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("the process does not come to rest");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    asleep = all_asleep(pid) ? asleep + 1 : 0;
  }
}

ContainerId fresh_id() {
  static std::random_device random;
  ContainerId id;
  for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(random());
  return id;
}

Actor::Actor(const std::string& file_name, const std::vector<std::string>& arguments, uid_t user) {
  const fs::path program = directory() / file_name;
  if (user != 0) fs::permissions(directory(), fs::perms(0755));
  fs::copy_file(PROCESSES_ACTOR, program);

  std::array<int, 2> to{};
  std::array<int, 2> from{};
  if (pipe2(to.data(), O_CLOEXEC) != 0 || pipe2(from.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  input_ = Fd(to[1]);
  output_ = Fd(from[0]);
  Fd child_input(to[0]);
  Fd child_output(from[1]);
  std::vector<std::string> words{program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(child_input.get(), 0);
    dup2(child_output.get(), 1);
    if (user != 0 && setuid(user) != 0) _exit(127);
    execv(argv[0], argv.data());
    _exit(127);
  }
  child_input.reset();
  child_output.reset();  // else one that cannot start is waited for
  if (pid_ < 0 || answer() != "ready") throw std::runtime_error("the actor does not play");
}

Actor::~Actor() {
  if (pid_ > 0) end();
}

Actor Actor::qemu(const ContainerId& sandbox) {
  return Actor("qemu-system-x86_64", {"-name", "sandbox-" + sandbox.hex() + ",debug-threads=on", "-uuid", "0"});
}

Actor Actor::virtiofsd(const ContainerId& sandbox) {
  return Actor("virtiofsd", {"--syslog", "-o", "cache=auto", "-o",
                             "source=/run/kata-containers/shared/sandboxes/" + sandbox.hex() + "/shared", "--fd=3"});
}

Actor Actor::shim(const ContainerId& sandbox, const std::string& file_name, uid_t user) {
  return Actor(file_name,
               {"-namespace", "k8s.io", "-address", "/run/containerd/containerd.sock", "-publish-binary",
                "/usr/bin/containerd", "-id", sandbox.hex()},
               user);
}

std::string Actor::answer() {
  std::string line;
  for (char c = 0; read(output_.get(), &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

void Actor::begin(const std::string& command) {
  const std::string line = command + "\n";
  if (write(input_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("the actor is gone");
  }
}

std::int64_t Actor::finish() {
  return std::stoll(answer());
}

bool Actor::busy() {
  pollfd waiting{.fd = output_.get(), .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, 0) == 0;
}

std::int64_t Actor::tell(const std::string& command) {
  begin(command);
  return finish();
}

rusage Actor::end() {
  input_.reset();
  rusage usage{};
  wait4(pid_, nullptr, 0, &usage);
  pid_ = -1;
  return usage;
}

std::uint64_t process_cpu_ns(pid_t pid) {
  clockid_t clock = 0;
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

std::uint64_t run_delay_ns(pid_t pid, const std::string& comm) {
  return sum_schedstat(pid, comm, 1);
}
std::uint64_t thread_cpu_ns(pid_t pid, const std::string& comm) {
  return sum_schedstat(pid, comm, 0);
}

std::uint64_t status_bytes(pid_t pid, const std::string& field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

std::uint64_t stat_field(pid_t pid, int field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream words(text.substr(text.rfind(')') + 1));  // a name may have spaces in it
  std::string word;
  for (int i = 3; i <= field; ++i) words >> word;
  return std::stoull(word);
}

std::uint64_t io_bytes(pid_t pid, const std::string& field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/io");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field + ":")) return std::stoull(line.substr(field.size() + 1));
  }
  throw std::runtime_error("no /proc/<pid>/io");
}

std::string copy_actor(const Actor& beside, const std::string& file_name) {
  const fs::path program = beside.directory() / file_name;
  fs::copy_file(PROCESSES_ACTOR, program);
  return program;
}

std::uint64_t file_bytes(pid_t pid, std::int64_t descriptor) {
  struct stat status {};
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(descriptor);
  if (stat(path.c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace katameter::host::testing
