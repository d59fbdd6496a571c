#include "userspace/bpf/layout.h"

#include <bpf/btf.h>
#include <fmt/core.h>

#include <cstdint>
#include <string_view>

namespace katameter {
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

}  // namespace katameter
