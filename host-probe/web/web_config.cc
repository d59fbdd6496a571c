#include "host-probe/web/web_config.h"

#include <yaml-cpp/yaml.h>

#include <exception>
#include <fstream>
#include <iterator>

namespace katameter {
namespace {

// The server under prometheus-cpp loads OpenSSL when it runs. That of Debian 12 (civetweb 1.15) looks for a function that
// OpenSSL 3 does not have any more, goes on without, and crashes at the first connection.
constexpr const char* no_tls =
    "this server has no TLS (tls_server_config): listen on a loopback address and put a proxy that has it before";

Status take_users(const YAML::Node& node, WebConfig& config) {
  if (!node.IsMap()) return failure("basic_auth_users is no map of names and bcrypt hashes");
  for (const auto& entry : node) {
    const auto name = entry.first.as<std::string>();
    const auto hash = entry.second.as<std::string>();
    const bool bcrypt = hash.size() == 60 && hash.starts_with("$2") && hash[3] == '$';
    if (!bcrypt) return failure("the password of '" + name + "' is no bcrypt hash: make one with htpasswd -nBC 10 ''");
    config.users[name] = hash;
  }
  return {};
}

Result<WebConfig> take(const YAML::Node& file) {
  WebConfig config;
  if (file.IsNull()) return config;
  if (!file.IsMap()) return failure("the file is no map of keys and values");
  for (const auto& entry : file) {
    const auto key = entry.first.as<std::string>();
    if (key == "tls_server_config") return failure(no_tls);
    if (key != "basic_auth_users") return failure("this server has no '" + key + "': remove it");
    if (Status status = take_users(entry.second, config); !status) return failure_from(status.error());
  }
  return config;
}

}  // namespace

Result<WebConfig> parse_web_config(const std::string& text) try {
  return take(YAML::Load(text));
} catch (const std::exception& error) {
  return failure(error.what());
}

Result<WebConfig> read_web_config(const std::string& path) {
  if (path.empty()) return WebConfig();
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file) return failure("--web.config.file " + path + " cannot be read");
  Result<WebConfig> config = parse_web_config(text);
  if (!config) return failure("--web.config.file " + path + ": " + config.error().text);
  return config;
}

}  // namespace katameter
