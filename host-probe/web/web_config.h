#pragma once

#include <map>
#include <string>

#include "userspace/result.h"

namespace katameter {

/// What a --web.config.file asks for: the part of the Prometheus exporters' common format that this server can do.
struct WebConfig {
  std::map<std::string, std::string> users;  ///< name -> bcrypt hash of the password; empty = everybody may read
};

/// The text of such a file. The error says what is wrong with it.
Result<WebConfig> parse_web_config(const std::string& text);

/// Reads it; without a path, everybody may read. What the format has and this server cannot do is an error, never passed over.
Result<WebConfig> read_web_config(const std::string& path);

}  // namespace katameter
