#include "guest-probe/collect/disks.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace katameter::guest {
namespace {

constexpr std::uint64_t sector_bytes = 512;  // whatever the device's own are
constexpr int max_reads = 16;
constexpr std::size_t max_line = 512;  // two names of 32 bytes, and 19 numbers

// The next word of a line of numbers and names, which it is taken from; empty at its end.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

template <typename Number>
bool take_number(std::string_view& line, Number& into) {
  const std::string_view word = take_word(line);
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), into);
  return error == std::errc() && end == word.data() + word.size();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The kernel names a partition by its disk, a 'p' if that ends with a digit, and a number (block/partitions/core.c).
bool is_partition_of(std::string_view name, std::string_view disk) {
  if (disk.empty() || !name.starts_with(disk)) return false;
  name.remove_prefix(disk.size());
  if (is_digit(disk.back())) {
    if (!name.starts_with('p')) return false;
    name.remove_prefix(1);
  }
  return !name.empty() && std::all_of(name.begin(), name.end(), is_digit);
}

// The disk of a line, all zeros if it had no request; nothing if it is a partition's, or of another form.
std::optional<wire::Disk> parse_line(std::string_view line, std::string& last) {
  wire::Disk disk;
  if (!take_number(line, disk.major) || !take_number(line, disk.minor)) return std::nullopt;
  const std::string_view name = take_word(line);
  if (name.empty() || is_partition_of(name, last)) return std::nullopt;
  last = name;
  for (const wire::DiskFigure& figure : wire::disk_figures) {
    if (!take_number(line, disk.*figure.value)) return std::nullopt;
  }
  for (const auto bytes : {&wire::Disk::read_bytes, &wire::Disk::write_bytes, &wire::Disk::discard_bytes}) {
    disk.*bytes *= sector_bytes;
  }
  return disk;
}

bool is_idle(const wire::Disk& disk) {
  return std::all_of(wire::disk_figures.begin(), wire::disk_figures.end(),
                     [&](const wire::DiskFigure& figure) { return disk.*figure.value == 0; });
}

}  // namespace

Result<DiskStats> DiskStats::open() {
  Fd file(::open("/proc/diskstats", O_RDONLY | O_CLOEXEC));
  if (!file) return system_failure("cannot open /proc/diskstats");
  return DiskStats(std::move(file));
}

Result<Disks> DiskStats::read() const {
  Disks disks;
  std::array<char, 4096> text{};
  std::size_t begun = 0;  // bytes of a line whose end the next read has
  off_t offset = 0;
  for (int reads = 0; reads < max_reads && begun < text.size(); ++reads) {
    const ssize_t size = pread(file_.get(), text.data() + begun, text.size() - begun, offset);
    if (size < 0) return system_failure("cannot read /proc/diskstats");
    offset += size;
    const std::size_t end = begun + static_cast<std::size_t>(size);
    const std::string_view rest = parse_diskstats({text.data(), end}, disks);
    // The kernel fills what it is given with as many lines as have room.
    if (size == 0 || (rest.empty() && text.size() - end > max_line)) return disks;
    begun = rest.size();
    std::copy(rest.begin(), rest.end(), text.begin());
  }
  ++disks.unreported;
  return disks;
}

std::string_view parse_diskstats(std::string_view text, Disks& into) {
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::optional<wire::Disk> disk = parse_line(text.substr(0, end), into.last);
    text.remove_prefix(end + 1);
    if (!disk || is_idle(*disk)) continue;
    if (into.disks.size() == wire::max_disks) {
      ++into.unreported;
    } else {
      into.disks.push_back(*disk);
    }
  }
  return text;
}

}  // namespace katameter::guest
