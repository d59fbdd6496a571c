#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest-probe/bpf/programs.h"
#include "guest-probe/collect/disks.h"
#include "guest-probe/collect/network.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/messages.h"

namespace katameter::guest {

/// Where a value of the guest as a whole is read. The functions of the same names are what a row of guest.def says.
struct GuestSource {
  wire::Figure wire::Guest::*figure;
  std::array<std::string_view, 2> meminfo{};  ///< lines of /proc/meminfo; of two it is the sum
  std::optional<Hook> skipped_runs{};         ///< the attached program whose skipped runs it is
  std::string_view network{};                 ///< the enumerator of a counter of the network, as in Wanted::network
  std::optional<int> sockets{};               ///< SOCKETS_*

  /// Lines of /proc/meminfo that it takes.
  constexpr std::size_t lines() const { return (meminfo[0].empty() ? 0U : 1U) + (meminfo[1].empty() ? 0U : 1U); }
};

inline constexpr auto guest_sources = [] {
  constexpr auto meminfo = [](std::string_view line, std::string_view other = {}) {
    return GuestSource{.figure = nullptr, .meminfo = {line, other}};
  };
  constexpr auto skipped_runs = [](Hook hook) { return GuestSource{.figure = nullptr, .skipped_runs = hook}; };
  constexpr auto network = [](std::string_view counter) { return GuestSource{.figure = nullptr, .network = counter}; };
  constexpr auto sockets = [](int kind) { return GuestSource{.figure = nullptr, .sockets = kind}; };
  constexpr GuestSource by_code{.figure = nullptr};
  const auto source = [](wire::Figure wire::Guest::*figure, GuestSource read) {
    read.figure = figure;
    return read;
  };
  return std::to_array<GuestSource>({
#define GUEST_FIGURE(name, number, presence, kind, unit, read, ...) source(&wire::Guest::name, read),
#include "userspace/figures/guest.def"
  });
}();

/// Wanted::network: the counters in the order of the rows.
std::vector<std::string_view> network_counters();

/// The memory of the whole guest, from /proc/meminfo (fs/proc/meminfo.c). The kernel sums most of it up from per-CPU
/// and per-node counters for whoever reads; they have no address that BPF could know in every kernel. Opened once.
class Meminfo {
 public:
  static Result<Meminfo> open();

  /// Fills in the memory figures; one pread(2). What the file does not have stays absent.
  Status read(wire::Guest& guest) const;

 private:
  explicit Meminfo(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

/// What a text of "Name:   number kB" lines says. Lines that are not of this form, or whose number is beyond 64 bits in
/// bytes, are skipped. Memory only, no allocation; any bytes are safe.
void parse_meminfo(std::string_view text, wire::Guest& guest);

/// What is asked of the kernel once for the whole guest and not by BPF: memory, network and disks. Opened at start; later
/// only the descriptors are used.
class GuestSources {
 public:
  /// A source that cannot be opened is left out of the snapshots; missing() describes it.
  static GuestSources open();

  /// Fills in what could be read. A source that fails is left out of this snapshot.
  void read(wire::Snapshot& snapshot);

  /// One line for each source that could not be opened.
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  std::optional<Meminfo> meminfo_;
  std::optional<LinkStats> links_;
  std::optional<DiskStats> disks_;
  std::vector<std::string> missing_;
  bool failed_ = false;  // logged once
};

}  // namespace katameter::guest
