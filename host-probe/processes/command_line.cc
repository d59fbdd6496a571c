#include "host-probe/processes/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string>

#include "bpf/host_records.h"
#include "userspace/fd.h"

namespace katameter {

std::optional<ProcessIdentity> identify_running(std::uint32_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/cmdline";
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::array<char, ARGUMENT_BYTES> buffer{};
  const ssize_t bytes = read(file.get(), buffer.data(), buffer.size());
  if (bytes <= 0) return std::nullopt;
  return identify_process(split_command_line({buffer.data(), static_cast<std::size_t>(bytes)}));
}

}  // namespace katameter
