#pragma once

#include <map>
#include <memory>
#include <string>

#include "host-probe/http/tls.h"
#include "host-probe/http/web_config.h"
#include "userspace/result.h"

namespace katameter::host::http {

/// Files as they were, to see whether they change.
class FileStamps {
 public:
  /// From here on this file, too.
  void add(std::string path);

  /// Whether one of them is another than at the last call, or than when it was added.
  bool changed();

 private:
  std::map<std::string, std::string> stamps_;  // by path
};

/// What a web configuration file and those that it names had in them when they were read.
struct LoadedConfig {
  WebConfig config;
  std::shared_ptr<const TlsContext> tls;  ///< null: plain HTTP
  FileStamps files;                       ///< of all of them, from before they were read
};

/// Reads a web configuration with its certificates; without a path, that of a server open to everybody.
Result<LoadedConfig> load_web_config(const std::string& path);

}  // namespace katameter::host::http
