#include "host-probe/overhead/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "userspace/fd.h"

namespace katameter::host {
namespace {

Status write_all(const Fd& file, const std::string& text) {
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t bytes = write(file.get(), text.data() + written, text.size() - written);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return system_failure("cannot write");
    written += static_cast<std::size_t>(bytes);
  }
  if (fsync(file.get()) != 0) return system_failure("cannot write");
  return {};
}

}  // namespace

Status replace_state(const std::string& path, const std::string& text) {
  if (const std::size_t end = path.rfind('/'); end != std::string::npos && end > 0) {
    if (mkdir(path.substr(0, end).c_str(), 0755) != 0 && errno != EEXIST) {
      return system_failure("cannot make the folder of " + path);
    }
  }
  const std::string fresh = path + ".new";
  const Fd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return system_failure("cannot open " + fresh);
  if (Status written = write_all(file, text); !written) return failure_from(written.error(), fresh);
  if (rename(fresh.c_str(), path.c_str()) != 0) return system_failure("cannot replace " + path);
  return {};
}

}  // namespace katameter::host
