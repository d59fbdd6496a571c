// usage: write_schema [--check] KATAMETER.PROTO
//
// Writes the figures of the messages Container and Guest into the schema, between the lines that say so, from
// container.def and guest.def. --check writes nothing and fails if that would change the file.
#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <iterator>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

#include "userspace/figures/figure.h"

namespace {

using katameter::FigureKind;

struct Row {
  std::string_view name;
  unsigned number;
  bool optional;
  FigureKind kind;
  std::string_view source;
};

constexpr auto container_rows = std::to_array<Row>({
#define FIGURE(name, number, kind, unit, group, index, v1, v2, metric, shown, help, source) \
  {#name, number, true, FigureKind::kind, source},
#include "userspace/figures/container.def"
});

constexpr auto guest_rows = std::to_array<Row>({
#define GUEST_FIGURE(name, number, presence, kind, unit, read, metric, shown, help, source) \
  {#name, number, std::string_view(#presence) == "optional", FigureKind::kind, source},
#include "userspace/figures/guest.def"
});

std::string schema_lines(std::span<const Row> rows) {
  std::ostringstream lines;
  for (const Row& row : rows) {
    std::string comment;
    std::copy_if(row.source.begin(), row.source.end(), std::back_inserter(comment), [](char c) { return c != '`'; });
    if (row.kind == FigureKind::limit) comment += "; absent without a limit";
    lines << (row.optional ? "  optional uint64 " : "  uint64 ") << row.name << " = " << row.number << ';';
    if (!comment.empty()) lines << "  // " << comment;
    lines << '\n';
  }
  return lines.str();
}

// Puts what `file` has into its section of the schema. False: the schema does not have the section.
bool replace_section(std::string& schema, const std::string& file, std::span<const Row> rows) {
  const std::string begin = "  // From userspace/figures/" + file + ":\n";
  const std::size_t first = schema.find(begin);
  const std::size_t last = schema.find("  // End of what " + file + " has.\n");
  if (first == std::string::npos || last == std::string::npos || last < first) return false;
  const std::size_t lines = first + begin.size();
  schema.replace(lines, last - lines, schema_lines(rows));
  return true;
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
  std::string after = before;
  if (!replace_section(after, "container.def", container_rows) || !replace_section(after, "guest.def", guest_rows)) {
    return fail(path + " does not have the lines between which the figures are written");
  }
  if (check) {
    return before == after
               ? 0
               : fail(path + " is not what container.def and guest.def say: run build/bin/write_schema " + path);
  }
  std::ofstream out(path);
  out << after << std::flush;
  return out ? 0 : fail("cannot write " + path);
}
