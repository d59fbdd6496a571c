// usage: ask SOCKET ROUNDS INTERVAL_MS
//
// What a host is to a guest-probe: asks for a snapshot ROUNDS times, one every INTERVAL_MS, and acknowledges each. Prints
// of the last one its bytes on the wire, those of the same figures as Prometheus text, and how many containers it had.

#include <cstdio>
#include <cstdlib>

#include "bench/guest/host_side.h"
#include "bench/text_of.h"

using namespace katameter;
using namespace katameter::guest;

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: ask SOCKET ROUNDS INTERVAL_MS\n");
    return 2;
  }
  bench::HostSide host(argv[1]);
  const std::chrono::milliseconds interval(std::atol(argv[3]));
  auto next = std::chrono::steady_clock::now();
  wire::Snapshot snapshot;
  for (long rounds = std::atol(argv[2]); rounds > 0; --rounds) {
    std::this_thread::sleep_until(next += interval);
    snapshot = host.collect();
    host.acknowledge();
  }
  std::printf("%zu %zu %zu\n", host.snapshot_bytes(), bench::container_series(snapshot).size(),
              snapshot.containers.size());
  return 0;
}
