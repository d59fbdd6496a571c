#include "host-probe/http/web_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <filesystem>
#include <set>
#include <string_view>

#include "userspace/fd.h"

namespace katameter::host::http {
namespace {

// A key of a section and what takes its value.
template <typename Target>
struct Key {
  std::string_view name;
  Status (*take)(const YAML::Node& value, Target& target);
};

// Every entry of a map by its row of the table. `section` is empty for the file itself.
template <typename Target, std::size_t size>
Status take_keys(const YAML::Node& node, std::string_view section, const std::array<Key<Target>, size>& keys,
                 Target& target) {
  const std::string where(section.empty() ? "the file" : section);
  if (node.IsNull()) return {};
  if (!node.IsMap()) return failure(where + " is not a map of keys and values");
  for (const auto& entry : node) {
    const auto name = entry.first.as<std::string>();
    const auto key = std::ranges::find(keys, name, &Key<Target>::name);
    if (key == keys.end()) {
      std::vector<std::string_view> known;
      known.reserve(size);
      for (const Key<Target>& row : keys) known.push_back(row.name);
      return failure(
          fmt::format("{} has no key '{}': remove it; the keys are {}", where, name, fmt::join(known, ", ")));
    }
    Status taken = key->take(entry.second, target);
    if (!taken && !section.empty()) return failure(fmt::format("{}.{}: {}", where, name, taken.error().text));
    if (!taken) return taken;
  }
  return {};
}

template <typename Value>
Result<Value> value_of(const YAML::Node& node, const char* kind) {
  Value value{};
  if (!node.IsScalar() || !YAML::convert<Value>::decode(node, value)) return failure(std::string("give ") + kind);
  return value;
}

template <typename Value>
constexpr const char* kind_of = "a text";
template <>
constexpr const char* kind_of<bool> = "true or false";
template <>
constexpr const char* kind_of<int> = "a number";

template <typename Value>
Status take_value(const YAML::Node& node, Value& value) {
  auto given = value_of<Value>(node, kind_of<Value>);
  if (!given) return failure_from(given.error());
  value = *std::move(given);
  return {};
}

Status take_value(const YAML::Node& node, std::vector<std::string>& list) {
  if (node.IsNull()) return {};
  if (!node.IsSequence()) return failure("give a list");
  for (const auto& item : node) {
    auto value = value_of<std::string>(item, "a list of texts");
    if (!value) return failure_from(value.error());
    list.push_back(*std::move(value));
  }
  return {};
}

// Takes the value of a key into a member, or into a member of a member.
template <auto... members, typename Target>
Status take(const YAML::Node& node, Target& target) {
  return take_value(node, (target.*....*members));
}

// ---- tls_server_config

// A word of the file and what GnuTLS calls it.
struct Named {
  std::string_view name;
  std::string_view priority;
};
constexpr std::array<Named, 4> versions{
    {{"TLS10", "VERS-TLS1.0"}, {"TLS11", "VERS-TLS1.1"}, {"TLS12", "VERS-TLS1.2"}, {"TLS13", "VERS-TLS1.3"}}};

constexpr std::array<Named, 4> curves{{{"CurveP256", "GROUP-SECP256R1"},
                                       {"CurveP384", "GROUP-SECP384R1"},
                                       {"CurveP521", "GROUP-SECP521R1"},
                                       {"X25519", "GROUP-X25519"}}};

// The suites that Go's crypto/tls takes, by their parts, of which GnuTLS makes suites. Those of TLS 1.3 have no exchange
// of keys of their own.
struct Suite {
  std::string_view name;
  std::string_view exchange;
  std::string_view cipher;
  std::string_view mac;
};
constexpr std::array<Suite, 13> suites{{
    {"TLS_AES_128_GCM_SHA256", "", "AES-128-GCM", "AEAD"},
    {"TLS_AES_256_GCM_SHA384", "", "AES-256-GCM", "AEAD"},
    {"TLS_CHACHA20_POLY1305_SHA256", "", "CHACHA20-POLY1305", "AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA", "AES-128-CBC", "SHA1"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA", "AES-256-CBC", "SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA", "AES-128-CBC", "SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA", "AES-256-CBC", "SHA1"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA", "AES-128-GCM", "AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA", "AES-256-GCM", "AEAD"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA", "AES-128-GCM", "AEAD"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA", "AES-256-GCM", "AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA", "CHACHA20-POLY1305", "AEAD"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA", "CHACHA20-POLY1305", "AEAD"},
}};

struct AuthType {
  std::string_view name;
  ClientAuth type;
};
constexpr std::array<AuthType, 7> auth_types{{{"", ClientAuth::none},
                                              {"NoClientCert", ClientAuth::none},
                                              {"RequestClientCert", ClientAuth::request},
                                              {"RequireAnyClientCert", ClientAuth::require_any},
                                              {"RequireClientCert", ClientAuth::require_any},  // its older name
                                              {"VerifyClientCertIfGiven", ClientAuth::verify_if_given},
                                              {"RequireAndVerifyClientCert", ClientAuth::require_and_verify}}};

// The section as it is written; the priorities of GnuTLS are made of several keys.
struct TlsKeys {
  TlsConfig config;
  std::size_t min_version = 2;
  std::size_t max_version = 3;
  std::vector<std::string> suites;
  std::vector<std::string> curves;
  bool prefer_server = true;
};

template <typename Table>
Result<std::size_t> index_of(const Table& table, const std::string& name) {
  const auto row = std::ranges::find(table, name, [](const auto& item) { return std::string(item.name); });
  if (row != table.end()) return static_cast<std::size_t>(row - table.begin());
  std::vector<std::string_view> known;
  for (const auto& item : table) {
    if (!item.name.empty()) known.push_back(item.name);
  }
  return failure(fmt::format("'{}' is not known: give one of {}", name, fmt::join(known, ", ")));
}

template <typename Table>
Result<std::size_t> index_of(const Table& table, const YAML::Node& node) {
  std::string name;
  if (Status taken = take_value(node, name); !taken) return failure_from(taken.error());
  return index_of(table, name);
}

template <auto member>
Status take_version(const YAML::Node& node, TlsKeys& keys) {
  const auto index = index_of(versions, node);
  if (!index) return failure_from(index.error());
  keys.*member = *index;
  return {};
}

Status take_auth_type(const YAML::Node& node, TlsKeys& keys) {
  const auto index = index_of(auth_types, node);
  if (!index) return failure_from(index.error());
  keys.config.client_auth = auth_types[*index].type;
  return {};
}

constexpr std::array<Key<TlsKeys>, 13> tls_keys{{
    {"cert", &take<&TlsKeys::config, &TlsConfig::cert, &Pem::text>},
    {"key", &take<&TlsKeys::config, &TlsConfig::key, &Pem::text>},
    {"client_ca", &take<&TlsKeys::config, &TlsConfig::client_ca, &Pem::text>},
    {"cert_file", &take<&TlsKeys::config, &TlsConfig::cert, &Pem::file>},
    {"key_file", &take<&TlsKeys::config, &TlsConfig::key, &Pem::file>},
    {"client_ca_file", &take<&TlsKeys::config, &TlsConfig::client_ca, &Pem::file>},
    {"client_auth_type", &take_auth_type},
    {"client_allowed_sans", &take<&TlsKeys::config, &TlsConfig::client_allowed_sans>},
    {"min_version", &take_version<&TlsKeys::min_version>},
    {"max_version", &take_version<&TlsKeys::max_version>},
    {"cipher_suites", &take<&TlsKeys::suites>},
    {"prefer_server_cipher_suites", &take<&TlsKeys::prefer_server>},
    {"curve_preferences", &take<&TlsKeys::curves>},
}};

void add_once(std::vector<std::string_view>& list, std::string_view value) {
  if (!value.empty() && std::ranges::find(list, value) == list.end()) list.push_back(value);
}

// GnuTLS takes lists of key exchanges, ciphers and MACs and makes every suite of them. A list of suites that leaves one
// of these out cannot be had, and must not become a longer list without a word.
Status add_suites(const TlsKeys& keys, std::string& priorities) {
  if (keys.suites.empty()) return {};
  std::vector<std::string_view> exchanges;
  std::vector<std::string_view> ciphers;
  std::vector<std::string_view> macs;
  std::set<std::string_view> listed;
  for (const std::string& name : keys.suites) {
    const auto index = index_of(suites, name);
    if (!index) return failure("cipher_suites: " + index.error().text);
    const Suite& suite = suites[*index];
    listed.insert(suite.name);
    add_once(exchanges, suite.exchange);
    add_once(ciphers, suite.cipher);
    add_once(macs, suite.mac);
  }
  for (const Suite& suite : suites) {
    const auto has = [](const auto& list, std::string_view value) {
      return std::ranges::find(list, value) != list.end();
    };
    if (has(exchanges, suite.exchange) && has(ciphers, suite.cipher) && has(macs, suite.mac) &&
        !listed.contains(suite.name)) {
      return failure(fmt::format(
          "cipher_suites: this server cannot have these without {}: add it, or remove those of the same cipher",
          suite.name));
    }
  }
  priorities += ":-KX-ALL:-CIPHER-ALL:-MAC-ALL";
  for (const auto* list : {&exchanges, &ciphers, &macs}) {
    for (const std::string_view part : *list) priorities.append(":+").append(part);
  }
  // TLS 1.3 takes its suites by their ciphers, and is left out where none of those is listed.
  if (exchanges.empty()) priorities += ":-VERS-TLS1.2:-VERS-TLS1.1:-VERS-TLS1.0";
  return {};
}

Status set_priorities(TlsKeys& keys) {
  if (keys.min_version > keys.max_version) return failure("min_version is above max_version: exchange them");
  std::string priorities = "NORMAL:-VERS-ALL";
  for (std::size_t i = keys.max_version + 1; i-- > keys.min_version;) {
    priorities.append(":+").append(versions[i].priority);
  }
  if (Status added = add_suites(keys, priorities); !added) return added;
  if (!keys.curves.empty()) {
    priorities += ":-GROUP-ALL";
    for (const std::string& name : keys.curves) {
      const auto index = index_of(curves, name);
      if (!index) return failure("curve_preferences: " + index.error().text);
      priorities.append(":+").append(curves[*index].priority);
    }
  }
  if (keys.prefer_server) priorities += ":%SERVER_PRECEDENCE";
  keys.config.priorities = std::move(priorities);
  return {};
}

Status take_tls(const YAML::Node& node, WebConfig& config) {
  if (node.IsNull() || (node.IsMap() && node.size() == 0)) return {};
  TlsKeys keys;
  if (Status taken = take_keys(node, "tls_server_config", tls_keys, keys); !taken) return taken;
  TlsConfig& tls = keys.config;
  const auto wrong = [](const std::string& text) { return failure("tls_server_config: " + text); };
  for (const auto& [name, pem] : {std::pair{"cert", &tls.cert}, {"key", &tls.key}, {"client_ca", &tls.client_ca}}) {
    if (!pem->text.empty() && !pem->file.empty()) {
      return wrong(fmt::format("{0} and {0}_file are both given: remove one", name));
    }
  }
  if (tls.cert.empty()) return wrong("cert_file is missing: name the server's certificate, or remove the section");
  if (tls.key.empty()) return wrong("key_file is missing: name the key of the certificate");
  const bool verifies =
      tls.client_auth == ClientAuth::verify_if_given || tls.client_auth == ClientAuth::require_and_verify;
  if (!tls.client_ca.empty() && tls.client_auth == ClientAuth::none) {
    return wrong("client_ca is given and no client is asked: set client_auth_type to RequireAndVerifyClientCert");
  }
  if (verifies && tls.client_ca.empty()) {
    return wrong("client_auth_type asks for certificates of a CA: name it with client_ca_file");
  }
  if (!tls.client_allowed_sans.empty() && tls.client_auth != ClientAuth::require_any &&
      tls.client_auth != ClientAuth::require_and_verify) {
    return wrong("client_allowed_sans needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert");
  }
  if (Status set = set_priorities(keys); !set) return wrong(set.error().text);
  config.tls = std::move(tls);
  return {};
}

// ---- http_server_config

struct Header {
  std::string_view name;
  std::string_view values;  // blank between them; empty: any
};
constexpr std::array<Header, 5> header_names{{{"Content-Security-Policy", ""},
                                              {"X-Frame-Options", "deny sameorigin"},
                                              {"X-Content-Type-Options", "nosniff"},
                                              {"X-XSS-Protection", ""},
                                              {"Strict-Transport-Security", ""}}};

bool is_one_of(std::string_view values, std::string value) {
  std::ranges::transform(value, value.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return !value.empty() && value.find(' ') == std::string::npos &&
         (" " + std::string(values) + " ").find(" " + value + " ") != std::string::npos;
}

Status take_headers(const YAML::Node& node, WebConfig& config) {
  if (node.IsNull()) return {};
  if (!node.IsMap()) return failure("give a map of names and values");
  for (const auto& entry : node) {
    const auto name = entry.first.as<std::string>();
    const auto index = index_of(header_names, name);
    if (!index) return failure_from(index.error());
    const Header& header = header_names[*index];
    const auto value = value_of<std::string>(entry.second, "a text for each header");
    if (!value) return failure(name + ": " + value.error().text);
    if (value->empty()) continue;
    if (!header.values.empty() && !is_one_of(header.values, *value)) {
      return failure(fmt::format("{} is '{}': it can be {}", name, *value, header.values));
    }
    if (std::ranges::any_of(*value, [](char c) { return (c >= 0 && c < 32) || c == 127; })) {
      return failure(name + " has a control character in it: write it in one line");
    }
    config.headers[name] = *value;
  }
  return {};
}

Status take_http2(const YAML::Node& node, WebConfig&) {
  bool wanted = false;
  if (Status taken = take_value(node, wanted); !taken) return taken;
  if (wanted) return failure("this server speaks HTTP/1.1 only: remove it, or set it to false");
  return {};
}

constexpr std::array<Key<WebConfig>, 2> http_keys{{{"http2", &take_http2}, {"headers", &take_headers}}};

// ---- basic_auth_users, rate_limit

Status take_users(const YAML::Node& node, WebConfig& config) {
  if (node.IsNull()) return {};
  if (!node.IsMap()) return failure("basic_auth_users is not a map of names and bcrypt hashes");
  for (const auto& entry : node) {
    const auto name = entry.first.as<std::string>();
    const auto hash = value_of<std::string>(entry.second, "a bcrypt hash");
    const bool bcrypt = hash && hash->size() == 60 && hash->starts_with("$2") && (*hash)[3] == '$';
    if (!bcrypt) {
      return failure("the password of '" + name + "' is not a bcrypt hash: make one with htpasswd -nBC 10 ''");
    }
    config.users[name] = *hash;
  }
  return {};
}

// As Go writes durations: 1s, 200ms, 1m30s; 0 is off.
Result<std::chrono::duration<double>> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, double>, 7> units{
      {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}}};
  const auto wrong = [whole = std::string(text)] {
    return failure("'" + whole + "' is not a duration: give one as 1s or 200ms");
  };
  if (text == "0") return std::chrono::duration<double>(0);
  double seconds = 0;
  if (text.empty()) return wrong();
  while (!text.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !(number >= 0) || number > 1e9) return wrong();
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::size_t unit_end = std::min(text.find_first_of("0123456789."), text.size());
    const auto unit = std::ranges::find(units, text.substr(0, unit_end), &decltype(units)::value_type::first);
    if (unit == units.end()) return wrong();
    seconds += number * unit->second;
    text.remove_prefix(unit_end);
  }
  return std::chrono::duration<double>(seconds);
}

Status take_interval(const YAML::Node& node, RateLimit& limit) {
  std::string text;
  if (Status taken = take_value(node, text); !taken) return taken;
  const auto interval = parse_duration(text);
  if (!interval) return failure_from(interval.error());
  limit.interval = *interval;
  return {};
}

Status take_burst(const YAML::Node& node, RateLimit& limit) {
  if (Status taken = take_value(node, limit.burst); !taken) return taken;
  if (limit.burst < 1) return failure("give 1 or more: with less no request would pass");
  return {};
}

constexpr std::array<Key<RateLimit>, 2> rate_keys{{{"interval", &take_interval}, {"burst", &take_burst}}};

Status take_rate_limit(const YAML::Node& node, WebConfig& config) {
  RateLimit limit{};
  if (Status taken = take_keys(node, "rate_limit", rate_keys, limit); !taken) return taken;
  if (limit.interval.count() > 0) config.rate_limit = limit;
  return {};
}

constexpr std::array<Key<WebConfig>, 4> file_keys{{
    {"tls_server_config", &take_tls},
    {"http_server_config", [](const YAML::Node& node,
                              WebConfig& config) { return take_keys(node, "http_server_config", http_keys, config); }},
    {"basic_auth_users", &take_users},
    {"rate_limit", &take_rate_limit},
}};

}  // namespace

std::vector<std::string> WebConfig::files() const {
  std::vector<std::string> names;
  if (!tls) return names;
  for (const Pem* pem : {&tls->cert, &tls->key, &tls->client_ca}) {
    if (!pem->file.empty()) names.push_back(pem->file);
  }
  return names;
}

Result<WebConfig> parse_web_config(const std::string& text) try {
  WebConfig config;
  if (Status taken = take_keys(YAML::Load(text), "", file_keys, config); !taken) return failure_from(taken.error());
  return config;
} catch (const std::exception& error) {
  return failure(error.what());
}

Result<WebConfig> read_web_config(const std::string& path) {
  if (path.empty()) return WebConfig();
  const Result<std::string> text = read_file(path);
  if (!text) return failure("--web.config.file " + text.error().text);
  Result<WebConfig> config = parse_web_config(*text);
  if (!config) return failure("--web.config.file " + path + ": " + config.error().text);
  if (config->tls) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    for (Pem* pem : {&config->tls->cert, &config->tls->key, &config->tls->client_ca}) {
      if (!pem->file.empty()) pem->file = folder / pem->file;  // an absolute one stays as it is
    }
  }
  return config;
}

}  // namespace katameter::host::http
