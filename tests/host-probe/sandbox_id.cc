#include "host-probe/sandbox_id.h"

#include <catch2/catch.hpp>
#include <string>

using katameter::ContainerId;
using katameter::host::SandboxId;

TEST_CASE("a sandbox's id is what containerd allows as one") {
  const std::string hex(64, 'a');
  for (const std::string& text : {hex, std::string("foo100"), std::string("a"), std::string("0.a_B-9"),
                                  std::string("6f4e2ad5-9bb0-4b11-8ae2-3c5ef2b4c2a1"), std::string(76, 'z')}) {
    const auto id = SandboxId::from_text(text);
    REQUIRE(id);
    CHECK(id->text() == text);
  }
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("-a"), std::string("a-"), std::string("a..b"),
        std::string("a._b"), std::string("a/b"), std::string("a b"), std::string("a\"b"), std::string("\xc3\xa9"),
        std::string("a\0b", 3), std::string(77, 'z')}) {
    INFO(text);
    CHECK_FALSE(SandboxId::from_text(text));
  }
}

TEST_CASE("an id that a CRI runtime made is its pause container's, any other is nobody's") {
  const ContainerId container = *ContainerId::from_hex(std::string(64, 'b'));
  CHECK(SandboxId(container) == SandboxId::from_text(std::string(64, 'b')));
  CHECK(SandboxId(container).cri_id() == container);
  CHECK_FALSE(SandboxId::from_text("foo100")->cri_id());
  CHECK_FALSE(SandboxId::from_text(std::string(64, 'B'))->cri_id());
  CHECK_FALSE(SandboxId::from_text(std::string(32, 'b'))->cri_id());
  CHECK_FALSE(SandboxId().cri_id());
  CHECK(SandboxId() < *SandboxId::from_text("a"));
  CHECK(*SandboxId::from_text("a") < *SandboxId::from_text("aa"));
}
