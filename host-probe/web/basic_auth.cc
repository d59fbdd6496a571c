#include "host-probe/web/basic_auth.h"

#include <crypt.h>

#include <cstddef>
#include <memory>

namespace katameter {
namespace {

// Of a password that nobody has: an unknown user is to take as long as a known one.
constexpr const char* nobody = "$2b$10$7EqJtq98hPqEX7fNZaFWoOhi5nyuGHS7sEMv0F9bJZ8mCFbBEsFNa";

// Empty if it cannot be made, which equals nothing.
std::string hash(const std::string& password, const std::string& setting) {
  const auto scratch = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), setting.c_str(), scratch.get());
  return made == nullptr || made[0] == '*' ? "" : made;
}

// Takes the same time wherever they differ.
bool same(const std::string& one, const std::string& other) {
  if (one.empty() || one.size() != other.size()) return false;
  int difference = 0;
  for (std::size_t i = 0; i < one.size(); ++i) difference |= one[i] ^ other[i];
  return difference == 0;
}

std::string new_salt() {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE] = {};
  const char* made = crypt_gensalt_rn("$5$", 1000, nullptr, 0, salt, sizeof salt);
  return made == nullptr ? "" : made;
}

}  // namespace

BasicAuth::BasicAuth(std::map<std::string, std::string> users) : salt_(new_salt()), users_(std::move(users)) {}

bool BasicAuth::allows(const std::string& user, const std::string& password) {
  const std::string cheap = hash(password, salt_);
  std::string expected = nobody;
  bool exists = false;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = known_.find(user); known != known_.end() && same(known->second, cheap)) return true;
    if (const auto found = users_.find(user); found != users_.end()) {
      expected = found->second;
      exists = true;
    }
  }
  const bool right = same(hash(password, expected), expected) && exists;
  if (right) {
    const std::lock_guard lock(mutex_);
    // Unless the users were replaced meanwhile.
    if (const auto found = users_.find(user); found != users_.end() && found->second == expected) known_[user] = cheap;
  }
  return right;
}

void BasicAuth::replace_users(std::map<std::string, std::string> users) {
  const std::lock_guard lock(mutex_);
  users_ = std::move(users);
  known_.clear();
}

}  // namespace katameter
