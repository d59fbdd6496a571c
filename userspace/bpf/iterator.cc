#include "userspace/bpf/iterator.h"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace katameter {

Status read_iterator(const OnRequest& program, std::size_t record_bytes,
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

}  // namespace katameter
