#pragma once

#include <memory>
#include <string>
#include <vector>

#include "host-probe/http/tls.h"
#include "host-probe/http/web_config.h"
#include "userspace/result.h"

namespace katameter::http {

/// What a web configuration file and those that it names had in them when they were read.
struct LoadedConfig {
  WebConfig config;
  std::shared_ptr<const TlsContext> tls;  ///< null: plain HTTP
};

/// Reads a web configuration with its certificates; without a path, that of a server open to everybody.
Result<LoadedConfig> load_web_config(const std::string& path);

/// Files as they are now, to see whether they change.
class FileStamps {
 public:
  explicit FileStamps(std::vector<std::string> paths);

  /// Whether one of them is another than at the last call, or than in the beginning.
  bool changed();

 private:
  std::vector<std::string> paths_;
  std::vector<std::string> stamps_;
};

}  // namespace katameter::http
