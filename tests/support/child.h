#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace katameter::host::testing {

/// A program that a test runs, with its output in a file. Killed, if it still runs, when this is destroyed.
class Child {
 public:
  Child() = default;
  Child(const std::vector<std::string>& arguments, const std::filesystem::path& output);
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { end(); }

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Whether it has not ended.
  bool runs() const;
  /// SIGKILL, and waits until it is gone.
  void end();
  /// Waits for its own end; its exit status, -1 if a signal ended it.
  int wait();

 private:
  pid_t pid_ = -1;
};

/// What is in a file now.
std::string contents(const std::filesystem::path& file);

}  // namespace katameter::host::testing
