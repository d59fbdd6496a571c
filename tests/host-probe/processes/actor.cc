// Plays a VMM or a virtiofsd: copied to a file of that name, it obeys stdin, one command a line, and
// answers each with one line. It ends when stdin does.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t mebibyte = 1 << 20;

std::int64_t thread_cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

/// Uses the CPU for so long; what this thread has used in all.
std::int64_t burn(std::int64_t milliseconds) {
  const std::int64_t end = thread_cpu_ns() + milliseconds * 1'000'000;
  while (thread_cpu_ns() < end) {
  }
  return thread_cpu_ns();
}

/// A named thread that sleeps unless it is to burn.
class Worker {
 public:
  explicit Worker(const std::string& name) {
    thread_ = std::thread([this, name] {
      pthread_setname_np(pthread_self(), name.c_str());
      serve();
    });
    burn_for(0);
  }
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  std::int64_t burn_for(std::int64_t milliseconds) {
    std::unique_lock lock(mutex_);
    wanted_ = milliseconds;
    changed_.notify_all();
    changed_.wait(lock, [this] { return wanted_ < 0; });
    return used_;
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return ending_ || wanted_ >= 0; });
      if (ending_) return;
      used_ = burn(wanted_);
      wanted_ = -1;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t wanted_ = -1;
  std::int64_t used_ = 0;
  bool ending_ = false;
  std::thread thread_;
};

void* map_file(int file, std::size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) std::exit(3);
  return memory;
}

/// Guest RAM: a memfd of twice the size, of which one half is touched. Its descriptor.
int make_memory(std::size_t mebibytes) {
  const int file = memfd_create("ch_ram", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, static_cast<off_t>(2 * mebibytes * mebibyte)) != 0) std::exit(3);
  std::memset(map_file(file, 2 * mebibytes * mebibyte), 1, mebibytes * mebibyte);
  return file;
}

/// Takes a file's name and has so much of it in memory.
int fill_without_name(int file, const std::string& path, std::size_t mebibytes) {
  const auto size = mebibytes * mebibyte;
  if (file < 0 || unlink(path.c_str()) != 0 || ftruncate(file, static_cast<off_t>(size)) != 0) std::exit(3);
  std::memset(map_file(file, size), 1, size);
  return file;
}

/// The same as a file of a disk, not of /tmp, which may be memory.
int make_disk_memory(std::size_t mebibytes) {
  std::string path = "/var/tmp/katameter-actor-XXXXXX";
  const int file = mkstemp(path.data());
  return fill_without_name(file, path, mebibytes);
}

/// The same as a file of an overlayfs, which the root file system of a container is; on a tmpfs, or where the disk is.
/// Nobody else sees it, and nothing of it is left.
int make_overlay_memory(std::size_t mebibytes, bool on_tmpfs) {
  std::string path = "/var/tmp/katameter-actor-XXXXXX";
  if (mkdtemp(path.data()) == nullptr || unshare(CLONE_NEWNS) != 0) std::exit(3);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) std::exit(3);
  if (on_tmpfs && mount("tmpfs", path.c_str(), "tmpfs", 0, nullptr) != 0) std::exit(3);
  const std::filesystem::path top = path;
  for (const char* name : {"lower", "upper", "work", "merged"}) std::filesystem::create_directory(top / name);
  const std::string layers = "lowerdir=" + path + "/lower,upperdir=" + path + "/upper,workdir=" + path + "/work";
  const std::string merged = path + "/merged";
  if (mount("overlay", merged.c_str(), "overlay", 0, layers.c_str()) != 0) std::exit(3);
  const std::string ram = merged + "/ram";
  const int file = open(ram.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  fill_without_name(file, ram, mebibytes);
  if (umount2(merged.c_str(), MNT_DETACH) != 0 || (on_tmpfs && umount2(path.c_str(), MNT_DETACH) != 0)) std::exit(3);
  std::filesystem::remove_all(top);
  return file;
}

/// That of a confidential guest: a guest_memfd of twice the size, of which one half is there. It needs KVM, and since 6.18
/// nothing else.
int make_guest_memory(std::size_t mebibytes) {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  const int vm = ioctl(kvm, _IO(0xAE, 0x01), 0UL);  // KVM_CREATE_VM
  // struct kvm_create_guest_memfd, which the headers of Debian 12 do not have.
  struct {
    std::uint64_t size;
    std::uint64_t flags;
    std::array<std::uint64_t, 6> reserved;
  } memory{2 * mebibytes * mebibyte, 0, {}};
  const int file = ioctl(vm, _IOWR(0xAE, 0xd4, decltype(memory)), &memory);  // KVM_CREATE_GUEST_MEMFD
  if (file < 0 || fallocate(file, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(mebibytes * mebibyte)) != 0) std::exit(3);
  return file;
}

/// Moves a descriptor to another number, up to which the kernel makes the table of descriptors.
void move_descriptor(int file, int number) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || dup2(file, number) != number || close(file) != 0) std::exit(3);
}

/// Children that end at once, one after the other.
void fork_storm(std::int64_t children) {
  for (std::int64_t i = 0; i < children; ++i) {
    const int child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
  }
}

/// Maps another process's file and touches it, as virtiofsd does with guest RAM; keeps no descriptor.
std::size_t share_memory(int pid, int descriptor) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(descriptor);
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) std::exit(3);
  const auto touched = static_cast<std::size_t>(status.st_blocks) * 512;
  auto* memory = static_cast<volatile char*>(map_file(file, touched));
  for (std::size_t i = 0; i < touched; i += 4096) memory[i] = 2;
  close(file);
  return touched;
}

/// In a child: ends it when `parent` ends, and at once if that has ended already. ctest waits until every process has
/// closed a test's output.
void die_with_parent(int parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
}

/// A child that burns and then sleeps until it is killed, or until its parent ends if it is to die with that.
int fork_child(std::int64_t milliseconds, bool dies_with_parent) {
  const int parent = getpid();
  const int child = fork();
  if (child != 0) return child;
  if (dies_with_parent) die_with_parent(parent);
  burn(milliseconds);
  while (true) pause();
}

int spawned_input = -1;

/// A child that burns and then becomes the given program, whose stdin is what pass() writes.
int spawn(std::istream& words, bool dies_with_parent) {
  std::int64_t milliseconds = 0;
  words >> milliseconds;
  std::vector<std::string> arguments;
  for (std::string word; words >> word;) arguments.push_back(word);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::array<int, 2> input{};
  if (pipe(input.data()) != 0) std::exit(3);
  spawned_input = input[1];
  const int parent = getpid();
  const int child = fork();
  if (child != 0) return child;
  if (dies_with_parent) die_with_parent(parent);
  burn(milliseconds);
  dup2(input[0], 0);
  dup2(open("/dev/null", O_WRONLY), 1);
  execv(argv[0], argv.data());
  std::exit(3);
}

/// A line for the child that was spawned last.
void pass(const std::string& line) {
  if (write(spawned_input, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::exit(3);
}

/// Writes to storage and reads it back, past the page cache: not in /tmp, which may be memory.
void use_storage(std::size_t mebibytes) {
  std::string path = "/var/tmp/katameter-actor-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0 || unlink(path.c_str()) != 0) std::exit(3);
  void* buffer = mmap(nullptr, mebibyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (buffer == MAP_FAILED || fcntl(file, F_SETFL, O_DIRECT) != 0) std::exit(3);
  for (std::size_t i = 0; i < mebibytes; ++i) {
    const auto at = static_cast<off_t>(i * mebibyte);
    // Half of it would be half of what the kernel counts.
    constexpr auto all = static_cast<ssize_t>(mebibyte);
    if (pwrite(file, buffer, mebibyte, at) != all || pread(file, buffer, mebibyte, at) != all) std::exit(3);
  }
  close(file);
}

/// Makes the kernel start a thread that works for this process, as a VMM with vhost-net does.
void own_vhost() {
  const int device = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
  constexpr unsigned long set_owner = _IO(0xAF, 0x01);  // <linux/vhost.h> does not bear our warnings
  if (device < 0 || ioctl(device, set_owner) != 0) std::exit(3);
}

void churn(int threads) {
  for (int i = 0; i < threads; ++i) {
    std::thread thread([] { burn(0); });
    thread.join();
  }
}

}  // namespace

int main() {
  std::map<std::string, std::unique_ptr<Worker>> workers;
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    std::string name;  // of a thread; in QEMU's, "CPU_0/KVM", '_' stands for a space
    std::int64_t number = 0;
    std::int64_t other = 0;
    words >> command;
    if (command == "thread" || command == "burn" || command == "end") words >> name;
    if (name.starts_with("CPU_")) name[3] = ' ';
    words >> number >> other;
    std::int64_t answer = 0;
    if (command == "thread") workers.emplace(name, std::make_unique<Worker>(name));
    if (command == "burn") answer = name == "main" ? burn(number) : workers.at(name)->burn_for(number);
    if (command == "end") workers.erase(name);
    if (command == "spawn" || command == "launch") {  // what is launched outlives us
      std::istringstream rest(line.substr(command.size()));
      answer = spawn(rest, command == "spawn");
    }
    if (command == "pass") pass(line.substr(command.size() + 1) + "\n");
    if (command == "vhost") own_vhost();
    if (command == "storage") use_storage(static_cast<std::size_t>(number));
    if (command == "churn") churn(static_cast<int>(number));
    if (command == "memory") answer = make_memory(static_cast<std::size_t>(number));
    if (command == "disk") answer = make_disk_memory(static_cast<std::size_t>(number));
    if (command == "overlay") answer = make_overlay_memory(static_cast<std::size_t>(number), other != 0);
    if (command == "guest_memfd") answer = make_guest_memory(static_cast<std::size_t>(number));
    if (command == "move") move_descriptor(static_cast<int>(number), static_cast<int>(other));
    if (command == "storm") fork_storm(number);
    if (command == "share")
      answer = static_cast<std::int64_t>(share_memory(static_cast<int>(number), static_cast<int>(other)));
    if (command == "reserve") {  // address space, as of a guest that has not touched its RAM
      mmap(nullptr, static_cast<std::size_t>(number) * mebibyte, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (command == "anonymous") {
      const std::size_t bytes = static_cast<std::size_t>(number) * mebibyte;
      std::memset(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, bytes);
    }
    if (command == "fork") answer = fork_child(number, true);
    if (command == "daemon") answer = fork_child(number, false);
    if (command == "kill") {
      kill(static_cast<pid_t>(number), SIGKILL);
      waitpid(static_cast<pid_t>(number), nullptr, 0);
    }
    std::cout << answer << std::endl;
  }
  return 0;
}
