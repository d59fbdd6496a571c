#include "userspace/bpf/on_request.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

namespace katameter {

Result<Turns> Turns::map(const Fd& map) {
  Result<Mapping> mapping = Mapping::writable(map, static_cast<std::size_t>(getpagesize()));
  if (!mapping) return failure_from(mapping.error());
  return Turns(*std::move(mapping));
}

Result<Fd> OnRequest::open_iterator() const {
  Fd opened(path_.empty() ? bpf_iter_create(link_.get()) : open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened) return system_failure("cannot open a BPF iterator" + (path_.empty() ? "" : " at " + path_));
  return opened;
}

Result<std::uint64_t> OnRequest::run(Turns& turns, std::uint64_t what) {
  if (over_ == Over::turns && turn_ == TURNS) opened_.reset();
  // An opened one may have come to the end of the tasks, a fresh one has not.
  for (bool fresh = false; !fresh;) {
    fresh = !opened_;
    if (fresh) {
      Result<Fd> opened = open_iterator();
      if (!opened) return failure_from(opened.error());
      opened_ = *std::move(opened);
      turn_ = 0;
    }
    turns.ask(over_ == Over::turns ? turn_ : 0, what);
    ++turn_;
    std::uint64_t answer = 0;
    const ssize_t size = read(opened_.get(), &answer, sizeof(answer));
    if (size == sizeof(answer)) return answer;
    const int code = size < 0 ? errno : EIO;
    opened_.reset();
    if (size != 0 || over_ == Over::turns) return system_failure("cannot run a BPF program", code);
  }
  return system_failure("cannot run a BPF program: there are no tasks", EIO);
}

}  // namespace katameter
