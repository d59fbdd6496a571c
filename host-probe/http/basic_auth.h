#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace katameter::host::http {

/// Who may read the metrics. A bcrypt hash takes some 50 ms of CPU time, so it is made in a thread of its own, one at a
/// time; a password that was right once is known by a cheap hash from then on. For one thread, where not noted.
class BasicAuth {
 public:
  /// Checks that may wait; one more is refused. Behind these, a right password would have to wait some seconds.
  static constexpr std::size_t max_waiting = 64;

  BasicAuth();
  BasicAuth(const BasicAuth&) = delete;
  BasicAuth& operator=(const BasicAuth&) = delete;
  ~BasicAuth() { stop(); }

  /// `users`: name -> bcrypt hash. From here on it is these; empty: everybody may read.
  void replace_users(std::map<std::string, std::string> users);
  bool needed() const;

  /// Whether this was the user's password before: no time to speak of.
  bool remembers(const std::string& user, const std::string& password);

  /// As many checks wait as may.
  bool is_full() const;
  /// Checks it; `done` is called in the other thread, or at once with false if there is none.
  void check(std::string user, std::string password, std::function<void(bool right)> done);

  /// Drops the checks that wait: `done` is not called any more when this returns.
  void stop();

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Check {
    std::string user;
    std::string password;
    std::function<void(bool)> done;
  };

  Digest digest(const std::string& password) const;
  void work();
  bool is_right(const Check& check);

  std::array<unsigned char, 32> key_{};  // of this run, for digest()
  mutable std::mutex mutex_;             // of what follows
  std::condition_variable changed_;
  std::map<std::string, std::string> users_;
  std::map<std::string, Digest> known_;  // of passwords that were right
  std::deque<Check> waiting_;
  bool stopping_ = false;
  std::thread thread_;  // from the first check on
};

}  // namespace katameter::host::http
