#include "guest-probe/bpf/iterator.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace katameter::guest {

Result<Requests> Requests::map(const Fd& map) {
  Result<Mapping> mapping = Mapping::writable(map, static_cast<std::size_t>(getpagesize()));
  if (!mapping) return failure_from(mapping.error());
  return Requests(*std::move(mapping));
}

Result<Fd> IterProgram::open_iterator() const {
  Fd opened(path_.empty() ? bpf_iter_create(link_.get()) : open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened) return system_failure("cannot open a BPF iterator" + (path_.empty() ? "" : " at " + path_));
  return opened;
}

Result<std::uint64_t> IterProgram::run(Requests& requests, std::uint64_t what) {
  if (over_ == Over::requests && run_ == REQUESTS) opened_.reset();
  // An opened one may have come to the end of the tasks, a fresh one has not.
  for (bool fresh = false; !fresh;) {
    fresh = !opened_;
    if (fresh) {
      Result<Fd> opened = open_iterator();
      if (!opened) return failure_from(opened.error());
      opened_ = *std::move(opened);
      run_ = 0;
    }
    requests.ask(over_ == Over::requests ? run_ : 0, what);
    ++run_;
    std::uint64_t answer = 0;
    const ssize_t size = read(opened_.get(), &answer, sizeof(answer));
    if (size == sizeof(answer)) return answer;
    const int code = size < 0 ? errno : EIO;
    opened_.reset();
    if (size != 0 || over_ == Over::requests) return system_failure("cannot run a BPF program", code);
  }
  return system_failure("cannot run a BPF program: there are no tasks", EIO);
}

Status read_iterator(const IterProgram& program, std::size_t record_bytes,
                     const std::function<bool(std::span<const std::byte>)>& consumer) {
  const Result<Fd> iterator = program.open_iterator();
  if (!iterator) return failure_from(iterator.error());
  // The kernel collects up to 32 KiB for one read and hands out what fits.
  alignas(8) std::array<std::byte, 16384> bytes{};
  const std::size_t wanted = bytes.size() / record_bytes * record_bytes;
  std::size_t held = 0;
  while (true) {
    const ssize_t size = read(iterator->get(), bytes.data() + held, wanted - held);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return system_failure("cannot read an iterator");
    if (size == 0) return {};
    held += static_cast<std::size_t>(size);
    const std::size_t whole = held / record_bytes * record_bytes;
    if (whole < held) continue;  // the rest of a record follows
    if (!consumer(std::span(bytes).first(whole))) return {};
    held = 0;
  }
}

}  // namespace katameter::guest
