// usage: write_schema [--check] KATAMETER.PROTO
//
// Writes the figures of message Container into the schema, between the two lines that say so, from container.def.
// --check writes nothing and fails if that would change the file.
#include <array>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "userspace/figures/figure.h"

namespace {

using katameter::FigureKind;

struct Row {
  std::string_view name;
  unsigned number;
  FigureKind kind;
  std::string_view source;
};

constexpr auto rows = std::to_array<Row>({
#define FIGURE(name, number, kind, unit, group, index, v1, v2, metric, shown, help, source) \
  {#name, number, FigureKind::kind, source},
#include "userspace/figures/container.def"
});

constexpr std::string_view begin = "  // From userspace/figures/container.def:\n";
constexpr std::string_view end = "  // End of what container.def has.\n";

std::string schema_lines() {
  std::ostringstream lines;
  for (const Row& row : rows) {
    lines << "  optional uint64 " << row.name << " = " << row.number << ";  // ";
    for (const char c : row.source) {
      if (c != '`') lines << c;
    }
    if (row.kind == FigureKind::limit) lines << "; absent without a limit";
    lines << '\n';
  }
  return lines.str();
}

int fail(const std::string& what) {
  std::cerr << "write_schema: " << what << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc == 3 && std::string_view(argv[1]) == "--check";
  if (argc != 2 && !check) return fail("usage: write_schema [--check] KATAMETER.PROTO");
  const std::string path = argv[argc - 1];
  std::stringstream read;
  read << std::ifstream(path).rdbuf();
  const std::string before = read.str();
  const std::size_t first = before.find(begin);
  const std::size_t last = before.find(end);
  if (first == std::string::npos || last == std::string::npos || last < first) {
    return fail(path + " does not have the lines between which the figures are written");
  }
  const std::string after = before.substr(0, first) + std::string(begin) + schema_lines() + before.substr(last);
  if (check) {
    return before == after ? 0 : fail(path + " is not what container.def says: run build/bin/write_schema " + path);
  }
  std::ofstream out(path);
  out << after << std::flush;
  return out ? 0 : fail("cannot write " + path);
}
