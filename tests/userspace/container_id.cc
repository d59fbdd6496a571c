#include "userspace/wire/container_id.h"

#include <catch2/catch.hpp>

using katameter::ContainerId;

TEST_CASE("A container id is 64 lower-case hex digits and nothing else") {
  const std::string hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  const auto id = ContainerId::from_hex(hex);
  REQUIRE(id);
  CHECK(id->bytes[0] == 0x01);
  CHECK(id->bytes[31] == 0xef);
  CHECK(id->hex() == hex);

  CHECK_FALSE(ContainerId::from_hex(hex.substr(1)));
  CHECK_FALSE(ContainerId::from_hex(hex + "0"));
  CHECK_FALSE(ContainerId::from_hex(std::string(63, '0') + "G"));
  CHECK_FALSE(ContainerId::from_hex(std::string(64, 'A')));
  CHECK_FALSE(ContainerId::from_hex(""));
}

TEST_CASE("A container id on the wire is 32 bytes") {
  const auto id = ContainerId::from_hex(std::string(64, '7'));
  REQUIRE(id);
  CHECK(ContainerId::from_bytes(id->raw()) == id);
  CHECK_FALSE(ContainerId::from_bytes(id->raw().substr(1)));
  CHECK_FALSE(ContainerId::from_bytes(""));
}
