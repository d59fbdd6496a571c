#include "guest-probe/self_check/cgroup_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "userspace/fd.h"

namespace katameter {

Result<std::uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  // v2 writes "max" for PAGE_COUNTER_MAX pages (include/linux/page_counter.h), v1 the bytes.
  if (file >> text && text == "max") {
    const auto page = static_cast<std::uint64_t>(getpagesize());
    return static_cast<std::uint64_t>(INT64_MAX) / page * page;
  }
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != 0) return failure("cannot read a number from " + path);
  return value;
}

Result<std::map<std::string, std::uint64_t>> read_table(const std::string& path) {
  std::ifstream in(path);
  std::map<std::string, std::uint64_t> table;
  std::string key;
  std::uint64_t value = 0;
  while (in >> key >> value) table[key] = value;
  if (table.empty()) return failure("cannot read " + path);
  return table;
}

bool write_file(const std::string& path, std::string_view text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

}  // namespace katameter
