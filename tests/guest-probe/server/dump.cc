#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "guest-probe/server/dump.h"
#include "guest-probe/server/listen_address.h"
#include "tests/support/temporary_directory.h"
#include "tests/userspace/samples.h"
#include "userspace/wire/codec.h"
#include "userspace/wire/frame.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

Dump sample_dump() {
  return {wire::sample_hello(), wire::sample_snapshot(), {wire::sample_oom_event()}};
}

// Takes one connection, answers with `bytes`, and holds it open until the client has gone unless it is to close.
Result<Dump> ask_one_that_answers(const std::string& bytes, bool close_after) {
  const katameter::testing::TemporaryDirectory dir;
  const auto address = ListenAddress::parse("unix:" + (dir.path() / "probe.sock").string());
  REQUIRE(address);
  const auto listening = listen_on(*address);
  REQUIRE(listening);
  std::thread daemon([&] {
    Fd peer;
    while (!peer) peer = Fd(accept4(listening->get(), nullptr, nullptr, SOCK_CLOEXEC));
    send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    char byte = 0;
    while (!close_after && recv(peer.get(), &byte, 1, 0) > 0) {
    }
  });
  Result<Dump> dump = ask_daemon(address->path, 1);
  daemon.join();
  return dump;
}

}  // namespace

TEST_CASE("JSON has the figures under their names and leaves out what is not known") {
  const auto json = nlohmann::json::parse(to_json(sample_dump()));
  REQUIRE(json["containers"].size() == 2);
  const auto& full = json["containers"][0];
  CHECK(full["id"] == std::string(64, 'a'));
  CHECK(full["cgroup"] == "/cri-containerd/" + std::string(64, 'a'));
  for (const char* key : {"cpu_usage_ns", "memory_usage_bytes", "memory_peak_bytes", "memory_limit_bytes",
                          "memory_rss_bytes", "memory_cache_bytes", "memory_working_set_bytes", "oom_kills"}) {
    INFO(key);
    CHECK(full.contains(key));
  }
  CHECK(full["oom_kills"] == 0);
  REQUIRE(full["block_devices"].size() == 2);
  CHECK(full["block_devices"][0]["major"] == 253);
  CHECK(full["block_devices"][0]["reads"] == 3);
  const auto& removed = json["containers"][1];
  CHECK(removed["removed"] == true);
  CHECK(removed["cpu_usage_ns"] == UINT64_MAX);
  CHECK_FALSE(removed.contains("memory_usage_bytes"));
  CHECK(json["oom_events"][0]["victim_comm"] == "hog");
  CHECK(json["guest"]["cpu_usage_ns"] == 99);
  CHECK(json["guest"]["swap_free_bytes"] == 0);
  CHECK(json["interfaces"][0]["name"] == "eth0");
  CHECK(json["interfaces"][0]["receive_bytes"] == 1);
  REQUIRE(json["disks"].size() == 2);
  CHECK(json["disks"][0]["minor"] == 16);
  CHECK(json["volumes"][0]["name"] == "/cache");
  CHECK_FALSE(json["volumes"][0].contains("major"));
  CHECK(json["volumes"][1]["minor"] == 16);
  CHECK(json["volumes"][0]["limit_bytes"] == 2);
  CHECK(json["disks"][0]["io_ms"] == sample_dump().snapshot.disks[0].io_ms);
  CHECK(json["oom_events"][0]["oom_class"] == "pod_limit");
  CHECK(json["oom_events"][0]["limit_cgroup"] == "/cri-containerd");
}

TEST_CASE("The table has a line for each container, interface and event, and two for the guest") {
  const std::string text = to_text(sample_dump());
  CHECK(std::count(text.begin(), text.end(), '\n') == 8);
  CHECK(text.find("aaaaaaaaaaaa") != std::string::npos);
  CHECK(text.find("removed") != std::string::npos);
  CHECK(text.find("pid 4242 (hog)") != std::string::npos);
}

TEST_CASE("The snapshot, the Hello and the events before it are the dump") {
  wire::Hello hello;
  hello.kernel = "5.10";
  wire::OomEvent event;
  event.sequence = 5;
  wire::Snapshot snapshot;
  snapshot.sequence = 9;
  const auto dump = ask_one_that_answers(wire::frame(wire::encode(wire::GuestMessage(hello))) +
                                             wire::frame(wire::encode(wire::GuestMessage(event))) +
                                             wire::frame(wire::encode(wire::GuestMessage(snapshot))),
                                         false);
  REQUIRE(dump);
  CHECK(dump->hello.kernel == "5.10");
  CHECK(dump->snapshot.sequence == 9);
  REQUIRE(dump->oom_events.size() == 1);
  CHECK(dump->oom_events[0].sequence == 5);
}

TEST_CASE("A Collect that is refused is sent again, and what is refused for good is reported") {
  const std::string refused = wire::frame(wire::encode(wire::GuestMessage(wire::Refusal{1, "asked too often"})));
  wire::Snapshot snapshot;
  snapshot.sequence = 9;
  const auto dump = ask_one_that_answers(refused + wire::frame(wire::encode(wire::GuestMessage(snapshot))), false);
  REQUIRE(dump);
  CHECK(dump->snapshot.sequence == 9);
  const auto never =
      ask_one_that_answers(wire::frame(wire::encode(wire::GuestMessage(wire::Refusal{0, "no such message"}))), false);
  REQUIRE_FALSE(never);
  CHECK(never.error().text.find("no such message") != std::string::npos);
}

TEST_CASE("A daemon that says nothing is given up with a line that says so") {
  const auto dump = ask_one_that_answers("", false);
  REQUIRE_FALSE(dump);
  CHECK(dump.error().text.find("nothing was answered for 1 s") != std::string::npos);
}

TEST_CASE("A daemon that closes, or is another program, is an error") {
  const auto closed = ask_one_that_answers("", true);
  REQUIRE_FALSE(closed);
  const auto other = ask_one_that_answers("SSH-2.0-OpenSSH_9.2\r\n", false);
  REQUIRE_FALSE(other);
  CHECK(other.error().text.find("is no guest-probe") != std::string::npos);
}

TEST_CASE("No daemon is ENOENT") {
  const auto dump = ask_daemon("/tmp/katameter-no-such-socket", 1);
  REQUIRE_FALSE(dump);
  CHECK(dump.error().code == ENOENT);
}
