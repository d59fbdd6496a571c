// usage: client SOCKET ROUNDS INTERVAL_MS
//
// What a host is to a guest-probe: asks for a snapshot ROUNDS times, one every INTERVAL_MS, and acknowledges each. Prints
// of the last one its bytes on the wire, those of the same figures as Prometheus text, and how many containers it had.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "tests/support/host_peer.h"
#include "tests/support/rendered.h"

using namespace katameter;
using namespace katameter::guest;

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::fprintf(stderr, "usage: client SOCKET ROUNDS INTERVAL_MS\n");
    return 2;
  }
  HostPeer host(argv[1]);
  const std::chrono::milliseconds interval(std::atol(argv[3]));
  auto next = std::chrono::steady_clock::now();
  wire::Snapshot snapshot;
  for (long rounds = std::atol(argv[2]); rounds > 0; --rounds) {
    std::this_thread::sleep_until(next += interval);
    snapshot = host.collect();
    host.acknowledge();
  }
  std::printf("%zu %zu %zu\n", host.snapshot_bytes(), host::container_series(snapshot).size(),
              snapshot.containers.size());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "client: %s\n", error.what());
  return 1;
}
