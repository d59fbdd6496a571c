#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "userspace/result.h"

namespace katameter {

/// Sole owner of a file descriptor (socket, BPF map, program, link, epoll set ...); closes it at the end of its life.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }

  /// Gives the descriptor away; the caller closes it.
  int release();
  void reset();

  /// A second descriptor for the same open file, close-on-exec; for what a library keeps and will close itself.
  static Result<Fd> duplicate(int number);

 private:
  int number_ = -1;
};

/// In a child: closes all descriptors above 2 but `kept`. A listening socket or a lock that it inherited would stay open, and
/// taken, until the child ends.
void close_all_but(std::vector<int> kept);

/// The bytes of a file, `max_bytes` of them at most. The error begins with the path; its code is ENOENT if there is no
/// such file.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes = SIZE_MAX);

/// A memory mapping that is undone at the end of its life.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  /// Maps `size` bytes of `fd` from `offset`, a multiple of the page size, on; shared and read-only (a BPF array made
  /// with BPF_F_MMAPABLE). The kernel makes all of it resident at once.
  static Result<Mapping> read_only(const Fd& fd, std::size_t size, std::size_t offset = 0);
  /// From the beginning, also writable.
  static Result<Mapping> writable(const Fd& fd, std::size_t size);

  const std::byte* data() const { return static_cast<const std::byte*>(address_); }
  std::byte* data() { return static_cast<std::byte*>(address_); }
  std::size_t size() const { return size_; }

  /// The mapped bytes as an array of `T`; the caller knows what the map holds.
  template <typename T>
  std::span<const T> as() const {
    return {static_cast<const T*>(address_), size_ / sizeof(T)};
  }

 private:
  Mapping(void* address, std::size_t size) : address_(address), size_(size) {}
  static Result<Mapping> map(const Fd& fd, std::size_t size, std::size_t offset, int protection);

  void* address_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace katameter
