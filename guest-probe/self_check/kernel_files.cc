#include "guest-probe/self_check/kernel_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>

#include "guest-probe/account/cpu.h"
#include "guest-probe/bpf/facts.h"
#include "userspace/fd.h"

namespace katameter::guest {
namespace {

constexpr std::uint64_t ns_per_us = 1000;

std::optional<std::uint64_t> number_in(std::string_view word) {
  if (word == "max" || word == "-1") return no_limit;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::string_view word_of(std::string_view line, std::size_t number) {
  for (;; --number) {
    line.remove_prefix(std::min(line.find_first_not_of(" \n"), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(" \n"));
    if (number == 0) return word;
    line.remove_prefix(word.size());
  }
}

// What follows the key in its line.
std::string_view after_key(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ') return line.substr(key.size());
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return {};
}

std::string_view number_text(std::string_view text, const FigureFile& file) {
  const std::string_view key = file.key;
  if (file.form == FigureFile::Form::second) return word_of(text, 1);
  if (key.empty()) return word_of(text, 0);
  const std::string_view rest = after_key(text, key);
  if (file.form != FigureFile::Form::total) return word_of(rest, 0);
  constexpr std::string_view total = "total=";
  const std::size_t begin = rest.find(total);
  return begin == std::string_view::npos ? std::string_view() : word_of(rest.substr(begin + total.size()), 0);
}

// PAGE_COUNTER_MAX (include/linux/page_counter.h) in bytes, which v1 shows where there is no limit.
std::uint64_t max_bytes() {
  const auto page = static_cast<std::uint64_t>(getpagesize());
  return static_cast<std::uint64_t>(INT64_MAX) / page * page;
}

const std::string& directory_of(const CgroupDirectories& directories, FigureGroup group) {
  switch (group) {
    case FigureGroup::bandwidth: return directories.cpu;
    case FigureGroup::pids: return directories.pids;
    case FigureGroup::cpuset: return directories.cpuset;
    case FigureGroup::memory: return directories.memory;
    case FigureGroup::hugetlb: return directories.hugetlb;
    default: return directories.cpuacct;
  }
}

// Nothing where this kernel does not have the file.
Result<std::optional<std::string>> read_text(const std::string& path) {
  errno = 0;
  const std::ifstream file(path);
  if (!file) {
    if (errno == ENOENT || errno == EOPNOTSUPP) return std::optional<std::string>();
    return system_failure("cannot open " + path);
  }
  std::ostringstream text;
  text << file.rdbuf();
  return std::optional(text.str());
}

}  // namespace

std::uint64_t file_tick_ns() {
  static const auto per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return 1'000'000'000 / per_second;
}

std::uint64_t grain_of(const FigureFile& file) {
  switch (file.form) {
    case FigureFile::Form::ticks: return file_tick_ns();
    case FigureFile::Form::microseconds:
    case FigureFile::Form::total: return ns_per_us;
    default: return 1;
  }
}

std::optional<std::uint64_t> value_in_text(const std::string& text, const FigureFile& file, FigureKind kind) {
  if (file.form == FigureFile::Form::cpu_list) {
    const Result<std::vector<int>> cpus = parse_cpu_list(text);
    return cpus ? std::optional<std::uint64_t>(cpus->size()) : std::nullopt;
  }
  const std::optional<std::uint64_t> number = number_in(number_text(text, file));
  if (!number) return std::nullopt;
  if (kind == FigureKind::limit && *number >= max_bytes()) return no_limit;
  if (file.form == FigureFile::Form::weight) return shares_of_weight(*number);
  return *number * grain_of(file);
}

bool is_unified(const CgroupDirectories& directories, std::size_t figure) {
  const FigureGroup group = wire::container_figures[figure].group;
  const bool of_memory = group == FigureGroup::memory || group == FigureGroup::hugetlb;
  return of_memory ? directories.unified_memory : directories.unified;
}

Result<FigureValues> read_kernel_files(const CgroupDirectories& directories, const FigureSet& figures) {
  FigureValues values;
  std::map<std::string, std::optional<std::string>> texts;  // by path: each file is read once
  for (std::size_t i = 0; i < figure::count; ++i) {
    const FigureFile& file = file_of(i, is_unified(directories, i));
    if (!figures.has(i) || file.name == nullptr) continue;
    const std::string path = directory_of(directories, wire::container_figures[i].group) + "/" + file.name;
    auto text = texts.find(path);
    if (text == texts.end()) {
      Result<std::optional<std::string>> read = read_text(path);
      if (!read) return failure_from(read.error());
      text = texts.emplace(path, *std::move(read)).first;
    }
    if (text->second) values[i] = value_in_text(*text->second, file, wire::container_figures[i].kind);
  }
  return values;
}

bool write_file(const std::string& path, std::string_view text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace katameter::guest
