#include "host-probe/processes/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

#include "bpf/host/records.h"
#include "userspace/fd.h"

namespace katameter::host {
namespace {

/// The beginning of /proc/<pid>/`name`; empty if there is none.
std::string read_proc(std::uint32_t pid, const char* name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::array<char, ARGUMENT_BYTES> buffer{};
  const ssize_t bytes = read(file.get(), buffer.data(), buffer.size());
  return bytes > 0 ? std::string(buffer.data(), static_cast<std::size_t>(bytes)) : std::string();
}

}  // namespace

std::optional<ProcessIdentity> identify_running(std::uint32_t pid) {
  const std::string command_line = read_proc(pid, "cmdline");
  if (!command_line.empty()) return identify_process(split_command_line(command_line));

  std::string name = read_proc(pid, "comm");
  if (!name.empty() && name.back() == '\n') name.pop_back();
  const auto owner = owner_of_kernel_thread(name);
  if (!owner) return std::nullopt;
  auto identity = identify_process(split_command_line(read_proc(*owner, "cmdline")));
  if (identity) identity->kind = ProcessKind::kernel;
  return identity;
}

}  // namespace katameter::host
