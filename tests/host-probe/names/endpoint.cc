#include "host-probe/names/endpoint.h"

#include <catch2/catch.hpp>

using namespace katameter;
using namespace katameter::host;

TEST_CASE("an endpoint is a Unix socket, as kubelet writes it or as a path") {
  CHECK(parse_runtime_endpoint("unix:///run/containerd/containerd.sock").value() == "/run/containerd/containerd.sock");
  CHECK(parse_runtime_endpoint("/run/crio/crio.sock").value() == "/run/crio/crio.sock");
  for (const char* wrong : {"", "/", "unix://", "unix://run/x.sock", "tcp://127.0.0.1:10010", "containerd.sock"}) {
    INFO(wrong);
    const auto parsed = parse_runtime_endpoint(wrong);
    REQUIRE_FALSE(parsed);
    CHECK_THAT(parsed.error().text, Catch::Contains("unix:///run/containerd/containerd.sock"));
  }
}

TEST_CASE("without configured endpoints the usual places below the run root are tried") {
  const auto usual = runtime_endpoints({}, "/host/run");
  REQUIRE(usual.size() == 3);
  CHECK(usual[0].socket == "/host/run/containerd/containerd.sock");
  CHECK(usual[1].socket == "/host/run/crio/crio.sock");
  CHECK_FALSE(usual[0].configured);
  const auto configured = runtime_endpoints({"unix:///a.sock", "/b.sock"}, "/host/run");
  REQUIRE(configured.size() == 2);
  CHECK(configured[0].socket == "/a.sock");
  CHECK(configured[1].socket == "/b.sock");
  CHECK(configured[1].configured);
}
