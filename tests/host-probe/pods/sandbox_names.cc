#include "host-probe/pods/sandbox_names.h"

#include <catch2/catch.hpp>

#include "tests/support/containers.h"

using namespace katameter;
using namespace katameter::host;

TEST_CASE("a name is a label's value as it is") {
  for (const std::string name : {"", "web-5d4f7c7b9-x2x9p", "registry.k8s.io/pause:3.9", "m\u00fcller", "\u65e5\u672c",
                                 "\U0001f433", "quote\" and \\ backslash"}) {
    CHECK(label_text(name) == name);
  }
}

TEST_CASE("what would break the exposition, or is no name, is unknown") {
  const std::vector<std::string> bad{
      "\xff",              // never a byte of UTF-8
      "a\x80",             // a continuation without a beginning
      "\xc3",              // cut off
      "\xe2\x82",          // cut off
      "\xc0\xaf",          // overlong '/'
      "\xe0\x80\xaf",      // overlong '/'
      "\xf0\x80\x80\xaf",  // overlong '/'
      "\xed\xa0\x80",      // a surrogate
      "\xf4\x90\x80\x80",  // beyond U+10FFFF
      "\xf8\x88\x80\x80\x80",
      "two\nlines",
      std::string("a\0b", 3),
      "\x7f",
      std::string(max_label_bytes + 1, 'a'),
  };
  for (const std::string& name : bad) {
    INFO(name);
    CHECK(label_text(name).empty());
  }
  CHECK(label_text(std::string(max_label_bytes, 'a')).size() == max_label_bytes);
}

namespace {

using katameter::host::testing::id_of;

}  // namespace

TEST_CASE("what the runtime's configuration says decides which pods are Kata's") {
  const std::vector<RunningPod> pods{{id_of('1'), "gpu", true},
                                     {id_of('2'), "gpu", true},
                                     {id_of('3'), "kata-by-name-only", false},
                                     {id_of('4'), "", true},
                                     {id_of('5'), "runc", false}};
  CHECK(count_kata_pods(pods, {id_of('1'), id_of('5')}) == KataPods{3, 1});
}

TEST_CASE("without it the handler's name decides, or that a pod of it was found") {
  const std::vector<RunningPod> pods{{id_of('1'), "kata-remote", {}}, {id_of('2'), "vm", {}}, {id_of('3'), "vm", {}},
                                     {id_of('4'), "runc", {}},        {id_of('5'), "", {}},   {id_of('6'), "", {}}};
  CHECK(count_kata_pods(pods, {}) == KataPods{1, 0});
  CHECK(count_kata_pods(pods, {id_of('2')}) == KataPods{3, 1});
  // The default handler may be anything.
  CHECK(count_kata_pods(pods, {id_of('5')}) == KataPods{2, 1});
}
