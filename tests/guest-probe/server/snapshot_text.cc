#include "guest-probe/server/snapshot_text.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/userspace/samples.h"

using namespace katameter;
using namespace katameter::guest;

namespace {

Dump sample_dump() {
  return {wire::sample_hello(), wire::sample_snapshot(), {wire::sample_oom_event()}};
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
