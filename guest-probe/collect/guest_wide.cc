#include "guest-probe/collect/guest_wide.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "userspace/log.h"

namespace katameter::guest {
namespace {

constexpr std::uint64_t kibibyte = 1024;

// "   number kB", as bytes.
std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > UINT64_MAX / kibibyte) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text != " kB") return std::nullopt;
  return value * kibibyte;
}

// A line of the file, and the value that it is, or is a part of.
struct Wanted {
  std::string_view line;
  std::size_t source;  // in guest_sources
};

constexpr auto wanted = [] {
  constexpr std::size_t size = [] {
    std::size_t lines = 0;
    for (const GuestSource& source : guest_sources) lines += source.lines();
    return lines;
  }();
  std::array<Wanted, size> lines{};
  std::size_t next = 0;
  for (std::size_t i = 0; i < guest_sources.size(); ++i) {
    for (std::size_t line = 0; line < guest_sources[i].lines(); ++line)
      lines[next++] = {guest_sources[i].meminfo[line], i};
  }
  return lines;
}();

static_assert(std::count_if(guest_sources.begin(), guest_sources.end(),
                            [](const GuestSource& source) { return source.skipped_runs.has_value(); }) == hooks);

}  // namespace

Result<Meminfo> Meminfo::open() {
  Fd file(::open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
  if (!file) return system_failure("cannot open /proc/meminfo");
  return Meminfo(std::move(file));
}

Status Meminfo::read(wire::Guest& guest) const {
  std::array<char, 4096> text{};  // the file has some 1500 bytes, what is asked for stands in its first half
  const ssize_t size = pread(file_.get(), text.data(), text.size(), 0);
  if (size < 0) return system_failure("cannot read /proc/meminfo");
  parse_meminfo({text.data(), static_cast<std::size_t>(size)}, guest);
  return {};
}

void parse_meminfo(std::string_view text, wire::Guest& guest) {
  std::array<wire::Figure, wanted.size()> found;
  // Few of the lines are wanted. Parsing ends with the last of these.
  for (std::size_t missing = wanted.size(); missing > 0;) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;  // a line that was cut
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto* const place = std::find_if(wanted.begin(), wanted.end(),
                                           [name = line.substr(0, colon)](const auto& of) { return of.line == name; });
    if (place == wanted.end()) continue;
    wire::Figure& value = found[static_cast<std::size_t>(place - wanted.begin())];
    if (value) continue;
    value = parse_bytes(line.substr(colon + 1));
    if (value) --missing;
  }
  // The lines of one value are neighbours.
  for (std::size_t i = 0; i < wanted.size();) {
    const GuestSource& source = guest_sources[wanted[i].source];
    wire::Figure sum = 0;
    for (std::size_t line = 0; line < source.lines(); ++line, ++i) {
      const bool fits = sum && found[i] && *found[i] <= UINT64_MAX - *sum;
      sum = fits ? wire::Figure(*sum + *found[i]) : std::nullopt;
    }
    if (sum) guest.*source.figure = sum;
  }
}

std::vector<std::string_view> network_counters() {
  std::vector<std::string_view> counters;
  for (const GuestSource& source : guest_sources) {
    if (!source.network.empty()) counters.push_back(source.network);
  }
  return counters;
}

GuestSources GuestSources::open() {
  GuestSources sources;
  const auto take = [&](auto opened, auto& target, const char* impact) {
    if (opened) {
      target = *std::move(opened);
    } else {
      sources.missing_.push_back(fmt::format("{} lost: {}", impact, opened.error().text));
    }
  };
  take(Meminfo::open(), sources.meminfo_, "the whole guest's memory figures are");
  take(LinkStats::open(), sources.links_, "the network figures are");
  take(DiskStats::open(), sources.disks_, "the block devices' own figures are");
  return sources;
}

void GuestSources::read(wire::Snapshot& snapshot) {
  const auto note = [&](const Error& error) {
    log(std::exchange(failed_, true) ? LogLevel::debug : LogLevel::warning,
        "cannot read the guest's memory, network or disks", {{"error", error.text}});
  };
  if (meminfo_) {
    if (const Status status = meminfo_->read(snapshot.guest); !status) note(status.error());
  }
  if (links_) {
    if (Result<Links> links = links_->read(); links) {
      snapshot.interfaces = std::move(links->interfaces);
      snapshot.guest.interfaces_unreported = links->unreported;
    } else {
      note(links.error());
    }
  }
  if (disks_) {
    if (Result<Disks> disks = disks_->read(); disks) {
      snapshot.disks = std::move(disks->disks);
      snapshot.guest.block_devices_unreported = snapshot.guest.block_devices_unreported.value_or(0) + disks->unreported;
    } else {
      note(disks.error());
    }
  }
}

}  // namespace katameter::guest
