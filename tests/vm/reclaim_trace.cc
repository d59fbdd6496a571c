#include "tests/vm/reclaim_trace.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

namespace katameter::guest {
namespace {

const std::string tracing = "/sys/kernel/tracing/";
const char* const kinds[] = {"mm_vmscan_memcg_reclaim", "mm_vmscan_direct_reclaim"};

void write_tracing_file(const std::string& file, const std::string& text) {
  std::ofstream out(tracing + file);
  out << text << std::flush;
  INFO("writing " << text << " to " << tracing << file);
  REQUIRE(out);
}

void switch_events(bool on) {
  for (const char* kind : kinds) {
    for (const char* end : {"_begin", "_end"}) {
      write_tracing_file("events/vmscan/" + std::string(kind) + end + "/enable", on ? "1" : "0");
    }
  }
}

// "  name-123  [000] d..1   12.345678: mm_vmscan_memcg_reclaim_begin: order=0 ..."
double time_of(const std::string& line, std::size_t event) {
  const std::size_t start = line.rfind(' ', event - 1);
  return std::stod(line.substr(start + 1));
}

}  // namespace

ReclaimTrace::ReclaimTrace(pid_t pid) {
  write_tracing_file("trace_clock", "mono");
  write_tracing_file("buffer_size_kb", "8192");
  write_tracing_file("set_event_pid", std::to_string(pid));
  write_tracing_file("trace", "");
  switch_events(true);
  write_tracing_file("tracing_on", "1");
}

ReclaimTrace::~ReclaimTrace() {
  switch_events(false);
  std::ofstream(tracing + "set_event_pid") << "";
}

ReclaimTrace::Stalls ReclaimTrace::read() const {
  std::ifstream trace(tracing + "trace");
  Stalls stalls;
  double began = -1;
  for (std::string line; std::getline(trace, line);) {
    const std::size_t event = line.find(": mm_vmscan_");
    if (event == std::string::npos) continue;
    const double at = time_of(line, event);
    if (line.find("_begin:") != std::string::npos) {
      began = at;
    } else if (began >= 0) {
      ++stalls.count;
      stalls.seconds += at - began;
      began = -1;
    }
  }
  return stalls;
}

}  // namespace katameter::guest
