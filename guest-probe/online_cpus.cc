#include "guest-probe/online_cpus.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace katameter {

OnlineCpus::OnlineCpus(int possible)
    : file_(open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC)),
      learned_(static_cast<std::size_t>(possible), false) {}

Status OnlineCpus::refresh(GuestPrograms& programs) {
  if (file_) {
    std::array<char, 1024> text{};
    const ssize_t size = pread(file_.get(), text.data(), text.size(), 0);
    const std::string online(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    if (!online.empty() && online == online_) return {};
    online_ = online;
  }
  for (std::size_t cpu = 0; cpu < learned_.size(); ++cpu) {
    if (learned_[cpu]) continue;
    const Result<bool> learned = programs.learn_cpu(static_cast<int>(cpu));
    if (!learned) return failure_from(learned.error());
    learned_[cpu] = *learned;
  }
  return {};
}

}  // namespace katameter
