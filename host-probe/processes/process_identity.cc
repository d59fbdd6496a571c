#include "host-probe/processes/process_identity.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <string>

#include "bpf/host/records.h"
#include "host-probe/bounded_read.h"

namespace katameter::host {
namespace {

/// The value of `option` at `index`, written as `option value` or `option=value`.
std::optional<std::string_view> option_value(std::span<const std::string_view> arguments, std::size_t index,
                                             std::string_view option) {
  const std::string_view argument = arguments[index];
  if (!argument.starts_with(option)) return std::nullopt;
  if (argument.size() > option.size()) {
    if (argument[option.size()] != '=') return std::nullopt;
    return argument.substr(option.size() + 1);
  }
  if (index + 1 == arguments.size()) return std::nullopt;
  return arguments[index + 1];
}

/// Calls `visit` with each part of `text`; stops when it returns an id.
template <typename Visit>
std::optional<SandboxId> find_part(std::string_view text, char separator, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    if (auto id = visit(text.substr(0, end))) return id;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  find_part(path, '/', [&](std::string_view part) -> std::optional<SandboxId> {
    if (!part.empty()) parts.push_back(part);
    return std::nullopt;
  });
  return parts;
}

/// The directory of a VM: .../vc/vm/<id>/..., .../vc/firecracker/<id>/..., .../kata/<id>/..., and the jail
/// .../kata/firecracker/<id>/root/.... 64 hex digits are an id wherever they stand.
std::optional<SandboxId> id_in_path(std::string_view path) {
  const auto parts = split(path);
  for (const std::string_view part : parts) {
    if (const auto id = ContainerId::from_hex(part)) return SandboxId(*id);
  }
  for (std::size_t i = parts.size(); i-- > 0;) {
    const std::size_t below = parts.size() - i - 1;  // a socket's name among them
    if (parts[i] == "vc" && below > 2) return SandboxId::from_text(parts[i + 2]);
    if (parts[i] != "kata" || below < 2) continue;
    const bool jailed = below > 3 && parts[i + 3] == "root";
    return SandboxId::from_text(parts[i + (jailed ? 2 : 1)]);
  }
  return std::nullopt;
}

/// .../sandboxes/<id>/shared. An id elsewhere does not count: a virtiofsd of another make may export such a directory.
std::optional<SandboxId> id_of_share(std::string_view path) {
  bool after_sandboxes = false;
  return find_part(path, '/', [&](std::string_view part) -> std::optional<SandboxId> {
    const bool here = after_sandboxes;
    after_sandboxes = part == "sandboxes";
    return here ? SandboxId::from_text(part) : std::nullopt;
  });
}

/// -name sandbox-<id>[,debug-threads=on]
std::optional<SandboxId> id_of_name(std::string_view name) {
  constexpr std::string_view prefix = "sandbox-";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  return SandboxId::from_text(name.substr(0, name.find(',')));
}

/// -o source=.../sandboxes/<id>/shared, alone or among other options
std::optional<SandboxId> id_of_mount_options(std::string_view options) {
  constexpr std::string_view source = "source=";
  return find_part(options, ',', [&](std::string_view option) -> std::optional<SandboxId> {
    return option.starts_with(source) ? id_of_share(option.substr(source.size())) : std::nullopt;
  });
}

bool is_kata_shim(std::span<const std::string_view> arguments) {
  const std::string_view path = arguments[0];
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (!is_kata_shim_name(name.data(), name.size())) return false;
  return std::ranges::none_of(arguments, [](auto argument) { return argument == "start" || argument == "delete"; });
}

struct Form {
  std::string_view option;
  std::optional<SandboxId> (*id)(std::string_view value);
  ProcessKind kind;
};

constexpr Form forms[] = {
    {"-name", id_of_name, ProcessKind::vmm},           // QEMU, StratoVirt
    {"--api-socket", id_in_path, ProcessKind::vmm},    // cloud-hypervisor
    {"--api-sock", id_in_path, ProcessKind::vmm},      // Firecracker, not jailed
    {"--id", SandboxId::from_text, ProcessKind::vmm},  // Firecracker, jailed
    {"--ttrpc", id_in_path, ProcessKind::vmm},         // OpenVMM
    {"-id", SandboxId::from_text, ProcessKind::shim},
    {"-o", id_of_mount_options, ProcessKind::virtiofsd},    // virtiofsd in C
    {"--shared-dir", id_of_share, ProcessKind::virtiofsd},  // virtiofsd in Rust
    {"--apisock", id_in_path, ProcessKind::virtiofsd},      // nydusd
};

}  // namespace

std::optional<ProcessIdentity> identify_process(std::span<const std::string_view> arguments) {
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    for (const Form& form : forms) {
      const auto value = option_value(arguments, i, form.option);
      if (!value || (form.kind == ProcessKind::shim && !is_kata_shim(arguments))) continue;
      if (const auto id = form.id(*value)) return ProcessIdentity{form.kind, *id};
    }
  }
  return std::nullopt;
}

std::optional<std::uint32_t> owner_of_kernel_thread(std::string_view name) {
  for (const std::string_view prefix : {"vhost-", "kvm-pit/"}) {
    if (!name.starts_with(prefix)) continue;
    std::uint32_t owner = 0;
    const auto [end, error] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), owner);
    if (error == std::errc() && end == name.data() + name.size() && owner > 0) return owner;
  }
  return std::nullopt;
}

std::vector<std::string_view> split_command_line(std::string_view raw) {
  std::vector<std::string_view> arguments;
  while (!raw.empty()) {
    const std::size_t end = raw.find('\0');
    if (end == std::string_view::npos) break;  // half an id may be another's
    arguments.push_back(raw.substr(0, end));
    raw.remove_prefix(end + 1);
  }
  return arguments;
}

namespace {

/// The beginning of /proc/<pid>/`name`; empty if there is none, or it does not answer.
std::string read_proc(std::uint32_t pid, const char* name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  return read_file_within(std::chrono::milliseconds(100), path, ARGUMENT_BYTES).value_or(std::string());
}

}  // namespace

std::optional<ProcessIdentity> identify_running(std::uint32_t pid) {
  const std::string command_line = read_proc(pid, "cmdline");
  if (!command_line.empty()) return identify_process(split_command_line(command_line));

  std::string name = read_proc(pid, "comm");
  if (!name.empty() && name.back() == '\n') name.pop_back();
  const auto owner = owner_of_kernel_thread(name);
  if (!owner) return std::nullopt;
  auto identity = identify_process(split_command_line(read_proc(*owner, "cmdline")));
  if (identity) identity->kind = ProcessKind::kernel;
  return identity;
}

}  // namespace katameter::host
