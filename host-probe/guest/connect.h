#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "host-probe/discovery/layout.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

// How the host reaches a guest: by a Unix socket of its VMM and a handshake, or by AF_VSOCK.
namespace katameter::host {

/// The process id of a guest's VMM from another source than a file; nothing if it is not known.
using FindVmm = std::function<std::optional<std::uint32_t>()>;

/// Where a guest's vsock ends on the host.
struct GuestAddress {
  std::string directory;
  std::string socket;
  std::uint32_t port = wire::default_port;
  Reach reach = Reach::hybrid;  // cid: `socket` is not connected to, the CID comes from `directory` or `find_vmm`
  FindVmm find_vmm{};
};

/// Connects to a guest by its address's way, non-blocking: the socket can be written to when it is connected. The errors
/// are those of connect_unix() and connect_by_cid().
Result<Fd> connect_guest(const GuestAddress& address);

/// Whether a VMM is behind that address, without a word to the guest: a hybrid vsock is connected to and closed again, of
/// a CID the VMM's process is looked for. ECONNREFUSED: the socket is what a VMM left that has ended.
Status look_for_vmm(const GuestAddress& address);

/// The host's side of the hybrid vsock handshake: `CONNECT <port>\n` goes out in one write, then nothing until the
/// VMM has answered `OK <number>\n`. Pure: bytes in, state out.
class Handshake {
 public:
  enum class State { waiting, done, refused };

  /// What to send, in a single write: a VMM may read it byte by byte on its only vsock thread.
  static std::string request(std::uint32_t port) { return "CONNECT " + std::to_string(port) + "\n"; }

  /// For a connection that does not go through a VMM's socket: done from the start.
  static Handshake not_needed() {
    Handshake handshake;
    handshake.state_ = State::done;
    return handshake;
  }

  /// Takes what was read and returns how much of it belonged to the answer; the rest is the guest's.
  std::size_t take(std::string_view bytes);

  State state() const { return state_; }
  /// Nothing was received so far. Closed like this, the VMM found no listener in the guest.
  bool untouched() const { return line_.empty() && state_ == State::waiting; }

 private:
  // "OK 4294967295\n" has 14; the VMMs' own buffer is 32.
  static constexpr std::size_t max_line = 32;

  State state_ = State::waiting;
  std::string line_;
};

/// Connects to the Unix socket `name` in `directory`, non-blocking. Paths longer than a socket address holds (107
/// bytes) are reached through a descriptor of the directory. ENOENT and ECONNREFUSED: nothing listens.
Result<Fd> connect_unix(const std::string& directory, const std::string& name);

/// The `guest-cid=<number>` that QEMU and StratoVirt are given for their vhost-vsock device, in a command line as the
/// kernel keeps it (arguments end with a zero byte). Nothing if there is none, or one that no guest can have (0 to 2
/// and 2^32 - 1 mean hypervisor, loopback, host and anybody).
std::optional<std::uint32_t> guest_cid_in(std::string_view command_line);

/// The CID of the guest whose VMM has left its process id in `directory`/pid, as the Go runtime has it do; without that
/// file, as with runtime-rs, of the VMM that `find_vmm` knows. ENOENT: neither knows one; ESRCH: no such process;
/// EAGAIN: the file has not been written yet, or the process is starting a program, or has ended.
Result<std::uint32_t> guest_cid(const std::string& directory, const FindVmm& find_vmm);

/// Begins to connect to that guest's port.
Result<Fd> connect_by_cid(const std::string& directory, const FindVmm& find_vmm, std::uint32_t port);

}  // namespace katameter::host
