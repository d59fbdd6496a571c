#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "host-probe/sandbox_id.h"

namespace katameter::host {

/// How the host reaches a guest's vsock.
enum class Reach {
  hybrid,  // by a Unix socket of the VMM's
  cid,     // by AF_VSOCK, with the context id that the VMM was given
};

/// As a label's value.
constexpr std::string_view name(Reach reach) {
  return reach == Reach::hybrid ? "hybrid_vsock" : "af_vsock";
}

/// A socket in a sandbox's directory that shows which hypervisor runs it: the hybrid vsock itself where there is one,
/// else another that the VMM makes. Only a hybrid vsock is ever connected to.
struct SocketMarker {
  std::string_view path;  // a file name, or one in nested_directory
  std::string_view hypervisor;
  Reach reach = Reach::hybrid;
};

/// The one directory in a sandbox's in which markers may be.
inline constexpr std::string_view nested_directory = "root";

/// Where one runtime keeps sandboxes: `<run root>/<root>/<sandbox id>/<marker>`. Of several markers the first counts.
///
/// A directory whose name is a UUID is a VM of the Go runtime's factory (templates, vmcache; virtcontainers/vm.go,
/// NewVM): it becomes a sandbox's by a link `<root>/<sandbox id>` to it (assignSandbox). It is a sandbox's own if the
/// sandbox is called so.
struct Layout {
  std::string_view root;
  std::span<const SocketMarker> markers;
  std::size_t cut_at = 0;  // longer ids are cut to so many characters; 0: none is
};

// Go runtime.
inline constexpr std::array go_markers{SocketMarker{"clh.sock", "cloud-hypervisor"},
                                       SocketMarker{"qmp.sock", "qemu", Reach::cid},
                                       SocketMarker{"qmp.socket", "stratovirt", Reach::cid}};
// runtime-rs. Its Firecracker is here if it is not jailed; Dragonball runs in the shim.
inline constexpr std::array rs_markers{
    SocketMarker{"ch-vm.sock", "cloud-hypervisor"}, SocketMarker{"kata.hvsock", "firecracker"},
    SocketMarker{"root/kata.hvsock", "dragonball"}, SocketMarker{"vsock.sock", "openvmm"},
    SocketMarker{"root/console.sock", "qemu", Reach::cid}};
// A jail of Firecracker's; the Go runtime has the same directories without a jail.
inline constexpr std::array jail_markers{SocketMarker{"root/kata.hvsock", "firecracker"}};

/// A new kind is a new row.
inline constexpr std::array layouts{Layout{"vc/vm", go_markers}, Layout{"kata", rs_markers},
                                    Layout{"kata/firecracker", jail_markers}};

/// The Go runtime's Firecracker, in `<run root>/vc/<file name of the hypervisor>/<id>`. It cuts ids so that the path of a
/// socket fits into its address (virtcontainers/fc.go: setPaths, truncateID).
inline constexpr std::string_view go_root = "vc";
inline constexpr std::array go_lists{std::string_view("vm"), std::string_view("sbs")};  // other directories there
constexpr Layout go_firecracker(std::string_view root) {
  return {root, jail_markers, 32};
}

/// Where a VMM that runs as a user of its own is, with the same layouts below `<run root>/user/<user id>/run`
/// (XDG_RUNTIME_DIR, which the runtimes set for it).
inline constexpr std::string_view rootless_users = "user";
inline constexpr std::string_view rootless_below = "run";

/// A sandbox that was found.
struct SandboxPlace {
  SandboxId id;
  std::string directory;  // a symbolic link is not resolved
  std::string socket;     // the marker's path in it
  std::string hypervisor;
  Reach reach = Reach::hybrid;
  std::string layout{};  // Layout::root of the layout that it was found in
  // What the command line of its VMM has instead of `id`: the beginning of it, or the VM's own id.
  std::optional<SandboxId> other_id{};

  const SandboxId& vm() const { return other_id ? *other_id : id; }
};

}  // namespace katameter::host
