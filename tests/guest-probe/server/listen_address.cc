#include "guest-probe/server/listen_address.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/temporary_directory.h"

using namespace katameter;
using namespace katameter::guest;

TEST_CASE("Addresses are vsock:PORT or unix:PATH") {
  const auto vsock = ListenAddress::parse("vsock:1717");
  REQUIRE(vsock);
  CHECK(vsock->port == 1717);
  const auto path = ListenAddress::parse("unix:/run/x.sock");
  REQUIRE(path);
  CHECK(path->path == "/run/x.sock");
  for (const char* bad : {"", "1717", "vsock:", "vsock:0", "vsock:99999999999", "vsock:12x", "unix:", "tcp:1"}) {
    const auto address = ListenAddress::parse(bad);
    REQUIRE_FALSE(address);
    CHECK(address.error().text.find("use vsock:PORT or unix:PATH") != std::string::npos);
  }
}

TEST_CASE("A Unix socket is made for its owner only, its folder too") {
  const katameter::testing::TemporaryDirectory dir;
  const auto address = ListenAddress::parse("unix:" + (dir.path() / "deep/er/probe.sock").string());
  REQUIRE(address);
  const auto listening = listen_on(*address);
  REQUIRE(listening);
  struct stat made {};
  REQUIRE(stat(address->path.c_str(), &made) == 0);
  CHECK((made.st_mode & 0777) == 0600);
  CHECK(connect_to(address->path, 1));
}

TEST_CASE("A socket in use is left alone; one that nobody listens on is replaced") {
  const katameter::testing::TemporaryDirectory dir;
  const auto address = ListenAddress::parse("unix:" + (dir.path() / "probe.sock").string());
  REQUIRE(address);
  auto first = listen_on(*address);
  REQUIRE(first);
  const auto second = listen_on(*address);
  REQUIRE_FALSE(second);
  CHECK(second.error().text.find("running already") != std::string::npos);
  first->reset();
  CHECK(listen_on(*address));
}

TEST_CASE("A file that is no socket is not deleted") {
  const katameter::testing::TemporaryDirectory dir;
  const std::string path = (dir.path() / "precious").string();
  std::ofstream(path) << "data";
  const auto address = ListenAddress::parse("unix:" + path);
  REQUIRE(address);
  const auto listening = listen_on(*address);
  REQUIRE_FALSE(listening);
  CHECK(std::filesystem::file_size(path) == 4);
}

TEST_CASE("A path that is too long for a socket is reported") {
  const auto address = ListenAddress::parse("unix:/" + std::string(200, 'x'));
  REQUIRE(address);
  const auto listening = listen_on(*address);
  REQUIRE_FALSE(listening);
  CHECK(listening.error().text.find("107") != std::string::npos);
}
