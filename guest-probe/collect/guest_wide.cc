#include "guest-probe/collect/guest_wide.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "userspace/log.h"

namespace katameter::guest {
namespace {

constexpr std::uint64_t kibibyte = 1024;

struct Line {
  std::string_view name;
  std::uint64_t bytes = 0;
};

std::optional<Line> parse_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(colon + 1);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc() || value > UINT64_MAX / kibibyte) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (rest != " kB") return std::nullopt;
  return Line{line.substr(0, colon), value * kibibyte};
}

struct Source {
  std::string_view name;
  wire::Figure wire::Guest::*figure;
};

constexpr std::array<Source, 9> sources{{{"MemTotal", &wire::Guest::memory_total_bytes},
                                         {"MemFree", &wire::Guest::memory_free_bytes},
                                         {"MemAvailable", &wire::Guest::memory_available_bytes},
                                         {"AnonPages", &wire::Guest::memory_anonymous_bytes},
                                         {"Slab", &wire::Guest::memory_slab_bytes},
                                         {"KernelStack", &wire::Guest::memory_kernel_stack_bytes},
                                         {"PageTables", &wire::Guest::memory_page_tables_bytes},
                                         {"SwapTotal", &wire::Guest::swap_total_bytes},
                                         {"SwapFree", &wire::Guest::swap_free_bytes}}};

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
  wire::Figure buffers;
  wire::Figure cached;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;  // a line that was cut
    const std::optional<Line> line = parse_line(text.substr(0, end));
    text.remove_prefix(end + 1);
    if (!line) continue;
    if (line->name == "Buffers") buffers = line->bytes;
    if (line->name == "Cached") cached = line->bytes;
    for (const Source& source : sources) {
      if (line->name == source.name) guest.*source.figure = line->bytes;
    }
  }
  // What the kernel calls buffers is the page cache of block devices.
  if (buffers && cached && *cached <= UINT64_MAX - *buffers) guest.memory_cache_bytes = *buffers + *cached;
}

GuestSources GuestSources::open() {
  GuestSources sources;
  const auto keep = [&](auto opened, auto& target, const char* loses) {
    if (opened) {
      target = *std::move(opened);
    } else {
      sources.lacks_.push_back(fmt::format("{} lost: {}", loses, opened.error().text));
    }
  };
  keep(Meminfo::open(), sources.meminfo_, "the whole guest's memory figures are");
  keep(LinkStats::open(), sources.links_, "the network figures are");
  return sources;
}

void GuestSources::read(wire::Snapshot& snapshot) {
  const auto note = [&](const Error& error) {
    log(std::exchange(failed_, true) ? LogLevel::debug : LogLevel::warning, "cannot read the guest's memory or network",
        {{"error", error.text}});
  };
  if (meminfo_) {
    if (const Status status = meminfo_->read(snapshot.guest); !status) note(status.error());
  }
  if (!links_) return;
  Result<Links> links = links_->read();
  if (!links) return note(links.error());
  snapshot.interfaces = std::move(links->interfaces);
  snapshot.guest.interfaces_unreported = links->unreported;
}

}  // namespace katameter::guest
