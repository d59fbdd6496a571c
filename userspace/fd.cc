#include "userspace/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

namespace katameter {
namespace {

void close_from_to(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
  for (unsigned fd = first; fd <= std::min(last, 1024U); ++fd) close(static_cast<int>(fd));  // before 5.9
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    number_ = other.release();
  }
  return *this;
}

int Fd::release() {
  return std::exchange(number_, -1);
}

void Fd::reset() {
  if (number_ >= 0) close(release());
}

Result<Fd> Fd::duplicate(int number) {
  Fd copy(fcntl(number, F_DUPFD_CLOEXEC, 3));
  if (!copy) return system_failure("cannot duplicate descriptor " + std::to_string(number));
  return copy;
}

void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned first = 3;
  for (const int fd : kept) {
    if (fd < static_cast<int>(first)) continue;
    close_from_to(first, static_cast<unsigned>(fd) - 1);
    first = static_cast<unsigned>(fd) + 1;
  }
  close_from_to(first, UINT_MAX);
}

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  // Non-blocking: a pipe without a writer is empty.
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return system_failure(path + " cannot be read");
  std::string text;
  std::array<char, 16384> buffer{};
  while (text.size() < max_bytes) {
    const ssize_t bytes = read(file.get(), buffer.data(), std::min(buffer.size(), max_bytes - text.size()));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return system_failure(path + " cannot be read");
    if (bytes == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
  return text;
}

Mapping::Mapping(Mapping&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

Mapping::~Mapping() {
  if (address_ != nullptr) munmap(address_, size_);
}

Result<Mapping> Mapping::map(const Fd& fd, std::size_t size, std::size_t offset, int protection) {
  void* address = mmap(nullptr, size, protection, MAP_SHARED, fd.get(), static_cast<off_t>(offset));
  if (address == MAP_FAILED) return system_failure("cannot map " + std::to_string(size) + " bytes of a BPF map");
  return Mapping(address, size);
}

Result<Mapping> Mapping::read_only(const Fd& fd, std::size_t size, std::size_t offset) {
  return map(fd, size, offset, PROT_READ);
}

Result<Mapping> Mapping::writable(const Fd& fd, std::size_t size) {
  return map(fd, size, 0, PROT_READ | PROT_WRITE);
}

}  // namespace katameter
