#pragma once

#include <map>
#include <mutex>
#include <string>

namespace katameter {

/// Who may read the metrics. For any thread.
class BasicAuth {
 public:
  /// `users`: name -> bcrypt hash.
  explicit BasicAuth(std::map<std::string, std::string> users);

  /// Whether this is the user's password. Takes some 50 ms of CPU time the first time, and whenever it is not.
  bool allows(const std::string& user, const std::string& password);

  /// From here on it is these.
  void replace_users(std::map<std::string, std::string> users);

 private:
  const std::string salt_;  // of `known_`, of this run
  std::mutex mutex_;
  std::map<std::string, std::string> users_;  // under mutex_
  std::map<std::string, std::string> known_;  // under mutex_; user -> cheap hash of the password that was right
};

}  // namespace katameter
