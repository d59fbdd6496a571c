#include "host-probe/pods/sandbox_names.h"

#include <catch2/catch.hpp>

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
