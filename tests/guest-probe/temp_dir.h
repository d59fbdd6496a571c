#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace katameter {

/// A folder of the test's own, gone with it.
class TempDir {
 public:
  TempDir() {
    std::string name = "/tmp/katameter-test-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace katameter
