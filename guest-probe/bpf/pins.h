#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "userspace/fd.h"
#include "userspace/result.h"

struct btf;

namespace katameter::guest {

inline const std::string default_pin_directory = "/sys/fs/bpf/katameter";

/// guest-probe's folder in a BPF file system, held by one process at a time. What is pinned in it stays when that
/// process ends:
///   <path>/<layout>/        maps that a later guest-probe goes on with; the name changes whenever their records do
///   <path>/<layout>/load-N/ programs and hooks of the Nth start
class PinDirectory {
 public:
  PinDirectory() = default;
  /// Makes the folder, and mounts the BPF file system at /sys/fs/bpf if `path` is there and none is mounted.
  /// EWOULDBLOCK: another process holds it.
  static Result<PinDirectory> open(const std::string& path);

  const std::string& path() const { return path_; }

  /// Makes a folder inside; its path. One that is there already will do.
  Result<std::string> make(const std::string& name) const;
  /// Removes what is in the folder, except the entry `but`; the names of what was removed. What is attached by a pin
  /// alone is detached by that.
  Result<std::vector<std::string>> clear(const std::string& folder, const std::string& but = "") const;
  /// Removes the folder itself, and undoes the mount if open() made it and nothing else is pinned there. It must be
  /// empty.
  Status remove();

 private:
  PinDirectory(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  Fd lock_;
};

/// A short text that differs whenever one of these structures does: names, places and sizes of all members, those of
/// inner structures included. 16 hex digits.
std::string layout_of(const btf& types, std::span<const char* const> structures);

}  // namespace katameter::guest
