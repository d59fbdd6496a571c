#pragma once

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace katameter {

/// Opens the object `elf_bytes` by the skeleton of another one that is made of the same sources and differs in how its
/// programs read (bpf/read.bpf.h), so that one skeleton serves both; the caller asserts that both are alike. Null with
/// errno set if it cannot be. For userspace/bpf alone, as the raw pointer is.
template <typename Skeleton>
Skeleton* open_variant(int (*create)(Skeleton*), const void* (*elf_bytes)(std::size_t*),
                       const bpf_object_open_opts& options) {
  auto* skeleton = static_cast<Skeleton*>(std::calloc(1, sizeof(Skeleton)));
  if (skeleton == nullptr || create(skeleton) != 0) {
    std::free(skeleton);
    return nullptr;
  }
  skeleton->skeleton->data = elf_bytes(&skeleton->skeleton->data_sz);
  if (const int status = bpf_object__open_skeleton(skeleton->skeleton, &options); status != 0) {
    Skeleton::destroy(skeleton);
    errno = -status;
    return nullptr;
  }
  return skeleton;
}

}  // namespace katameter
