#include "host-probe/http/loaded_config.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

namespace katameter::http {
namespace {

std::string stamp_of(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return "missing";
  return fmt::format("{}:{} {} {}.{}", file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                     file.st_mtim.tv_nsec);
}

}  // namespace

Result<LoadedConfig> load_web_config(const std::string& path) {
  Result<WebConfig> config = read_web_config(path);
  if (!config) return failure_from(std::move(config.error()));
  LoadedConfig loaded{*std::move(config), nullptr};
  if (!loaded.config.tls) return loaded;
  auto tls = TlsContext::create(*loaded.config.tls);
  if (!tls) return failure("--web.config.file " + path + ": " + tls.error().text);
  loaded.tls = *std::move(tls);
  return loaded;
}

FileStamps::FileStamps(std::vector<std::string> paths) : paths_(std::move(paths)) {
  changed();
}

bool FileStamps::changed() {
  std::vector<std::string> now;
  now.reserve(paths_.size());
  for (const std::string& path : paths_) now.push_back(stamp_of(path));
  return std::exchange(stamps_, now) != now;
}

}  // namespace katameter::http
