#include "guest-probe/bpf/pins.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace katameter::guest {
namespace {

namespace fs = std::filesystem;

constexpr const char* bpf_mount = "/sys/fs/bpf";
// How a mount of ours is known again: 5.10 forgets the source that a BPF file system is mounted with.
constexpr const char* mount_mark = "/sys/fs/bpf/katameter_mounted_this";

bool is_bpf(const std::string& path) {
  struct statfs system {};
  return statfs(path.c_str(), &system) == 0 && system.f_type == BPF_FS_MAGIC;
}

Status ensure_mounted(const std::string& parent) {
  if (is_bpf(parent)) return {};
  if (parent != bpf_mount) return failure(parent + " is in no BPF file system: mount -t bpf bpf " + parent);
  if (mount("bpf", bpf_mount, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    return system_failure("no BPF file system is mounted at /sys/fs/bpf, and it cannot be");
  }
  if (mkdir(mount_mark, 0700) != 0) return system_failure(std::string("cannot make ") + mount_mark);
  return {};
}

// Whether anything but the mark is there. Names with a dot are the kernel's own (kernel/bpf/inode.c, bpf_lookup).
bool holds_pins(const std::string& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path() != mount_mark && entry.path().filename().string().find('.') == std::string::npos) return true;
  }
  return static_cast<bool>(error);
}

}  // namespace

Result<PinDirectory> PinDirectory::open(const std::string& path) {
  if (Status status = ensure_mounted(fs::path(path).parent_path()); !status) return failure_from(status.error());
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_failure("cannot make " + path);
  Fd lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock) return system_failure("cannot open " + path);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return system_failure(path + " is held by another guest-probe");
  return PinDirectory(path, std::move(lock));
}

Result<std::string> PinDirectory::make(const std::string& name) const {
  std::string made = path_ + "/" + name;
  if (mkdir(made.c_str(), 0700) != 0 && errno != EEXIST) return system_failure("cannot make " + made);
  return made;
}

Result<std::vector<std::string>> PinDirectory::clear(const std::string& folder, const std::string& but) const {
  std::vector<std::string> removed;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    if (name != but) removed.push_back(name);
  }
  for (const std::string& name : removed) {
    if (!error) fs::remove_all(fs::path(folder) / name, error);
  }
  if (error) return system_failure("cannot clear " + folder, error.value());
  return removed;
}

Status PinDirectory::remove() {
  if (rmdir(path_.c_str()) != 0) return system_failure("cannot remove " + path_);
  lock_.reset();
  if (fs::path(path_).parent_path() != bpf_mount || !fs::exists(mount_mark) || holds_pins(bpf_mount)) return {};
  if (rmdir(mount_mark) != 0) return system_failure(std::string("cannot remove ") + mount_mark);
  if (umount2(bpf_mount, 0) != 0 && errno != EBUSY) return system_failure("cannot unmount /sys/fs/bpf");
  return {};
}

namespace {

class Digest {
 public:
  explicit Digest(const btf& types) : types_(types) {}

  void add_type(unsigned id) {
    const int resolved = btf__resolve_type(&types_, id);
    if (resolved < 0) return;
    const btf_type* type = btf__type_by_id(&types_, static_cast<unsigned>(resolved));
    add(btf_kind(type));
    if (btf_is_array(type)) {
      add(btf_array(type)->nelems);
      add_type(btf_array(type)->type);
    } else {
      add(type->size);
    }
    if (btf_is_composite(type)) add_members(*type);
  }

  std::uint64_t value() const { return value_; }

 private:
  void add_members(const btf_type& type) {
    const struct btf_member* members = btf_members(&type);
    for (std::uint32_t i = 0; i < btf_vlen(&type); ++i) {
      add(std::string_view(btf__name_by_offset(&types_, members[i].name_off)));
      add(btf_member_bit_offset(&type, i));
      add_type(members[i].type);
    }
  }

  // FNV-1a
  void add(std::string_view bytes) {
    for (const char byte : bytes) value_ = (value_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  void add(std::uint32_t number) { add(std::to_string(number) + ","); }

  const btf& types_;
  std::uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace

std::string layout_of(const btf& types, std::span<const char* const> structures) {
  Digest digest(types);
  for (const char* name : structures) {
    const int id = btf__find_by_name_kind(&types, name, BTF_KIND_STRUCT);
    if (id > 0) digest.add_type(static_cast<unsigned>(id));
  }
  return fmt::format("{:016x}", digest.value());
}

}  // namespace katameter::guest
