#include "host-probe/http/loaded_config.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

namespace katameter::host::http {
namespace {

std::string stamp_of(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return "missing";
  return fmt::format("{}:{} {} {}.{}", file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                     file.st_mtim.tv_nsec);
}

}  // namespace

void FileStamps::add(std::string path) {
  std::string stamp = stamp_of(path);
  stamps_.insert_or_assign(std::move(path), std::move(stamp));
}

bool FileStamps::changed() {
  bool any = false;
  for (auto& [path, stamp] : stamps_) {
    std::string now = stamp_of(path);
    any = any || now != stamp;
    stamp = std::move(now);
  }
  return any;
}

Result<LoadedConfig> load_web_config(const std::string& path) {
  LoadedConfig loaded;
  if (!path.empty()) loaded.files.add(path);
  Result<WebConfig> config = read_web_config(path);
  if (!config) return failure_from(std::move(config.error()));
  loaded.config = *std::move(config);
  for (std::string& file : loaded.config.files()) loaded.files.add(std::move(file));
  if (!loaded.config.tls) return loaded;
  auto tls = TlsContext::create(*loaded.config.tls);
  if (!tls) return failure("--web.config.file " + path + ": " + tls.error().text);
  loaded.tls = *std::move(tls);
  return loaded;
}

}  // namespace katameter::host::http
