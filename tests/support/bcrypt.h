#pragma once

#include <crypt.h>

#include <catch2/catch.hpp>
#include <string>

namespace katameter::host::testing {

/// As htpasswd -B makes it; a cost of 4 is the cheapest.
inline std::string bcrypt(const std::string& password, unsigned long cost = 4) {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE] = {};
  REQUIRE(crypt_gensalt_rn("$2b$", cost, nullptr, 0, salt, sizeof salt) != nullptr);
  crypt_data scratch{};
  return crypt_r(password.c_str(), salt, &scratch);
}

}  // namespace katameter::host::testing
