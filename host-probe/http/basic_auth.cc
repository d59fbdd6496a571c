#include "host-probe/http/basic_auth.h"

#include <crypt.h>
#include <gnutls/crypto.h>

#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include "userspace/log.h"

namespace katameter::host::http {
namespace {

// The hash of no password: an unknown user takes as long as a known one.
constexpr const char* nobody = "$2b$10$7EqJtq98hPqEX7fNZaFWoOhi5nyuGHS7sEMv0F9bJZ8mCFbBEsFNa";

// Empty if it cannot be made, which equals nothing.
std::string hash(const std::string& password, const std::string& setting) {
  const auto scratch = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), setting.c_str(), scratch.get());
  return made == nullptr || made[0] == '*' ? "" : made;
}

// Takes the same time wherever they differ.
bool same(const void* one, const void* other, std::size_t size) {
  return size > 0 && gnutls_memcmp(one, other, size) == 0;
}

}  // namespace

BasicAuth::BasicAuth() {
  // Without random bytes nothing is remembered, and each request takes a bcrypt hash.
  if (gnutls_rnd(GNUTLS_RND_KEY, key_.data(), key_.size()) < 0) key_.fill(0);
}

void BasicAuth::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void BasicAuth::replace_users(std::map<std::string, std::string> users) {
  const std::lock_guard lock(mutex_);
  users_ = std::move(users);
  known_.clear();
}

bool BasicAuth::needed() const {
  const std::lock_guard lock(mutex_);
  return !users_.empty();
}

BasicAuth::Digest BasicAuth::digest(const std::string& password) const {
  Digest made{};
  gnutls_hmac_fast(GNUTLS_MAC_SHA256, key_.data(), key_.size(), password.data(), password.size(), made.data());
  return made;
}

bool BasicAuth::remembers(const std::string& user, const std::string& password) {
  if (key_ == decltype(key_){}) return false;
  const Digest of_password = digest(password);
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(user);
  return known != known_.end() && same(known->second.data(), of_password.data(), of_password.size());
}

bool BasicAuth::is_full() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() >= max_waiting;
}

void BasicAuth::check(std::string user, std::string password, std::function<void(bool)> done) {
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { work(); });
    } catch (const std::system_error& error) {
      log_error("no thread to check a password in", {{"error", error.what()}});
      return done(false);
    }
  }
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(user), std::move(password), std::move(done)});
  }
  changed_.notify_one();
}

void BasicAuth::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const Check check = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    check.done(is_right(check));
    lock.lock();
  }
}

bool BasicAuth::is_right(const Check& check) {
  std::string expected = nobody;
  bool exists = false;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = users_.find(check.user); found != users_.end()) {
      expected = found->second;
      exists = true;
    }
  }
  const std::string made = hash(check.password, expected);
  const bool right = exists && made.size() == expected.size() && same(made.data(), expected.data(), made.size());
  if (!right) return false;
  const Digest of_password = digest(check.password);
  const std::lock_guard lock(mutex_);
  // Unless the users were replaced meanwhile.
  const auto found = users_.find(check.user);
  if (found == users_.end() || found->second != expected) return false;
  known_[check.user] = of_password;
  return true;
}

}  // namespace katameter::host::http
