#include "host-probe/bounded_read.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "userspace/fd.h"

namespace katameter::host {
namespace {

std::atomic<int> reading{0};

struct Shared {
  std::mutex mutex;
  std::condition_variable done;
  std::optional<Result<std::string>> text;
};

void read_into(const std::shared_ptr<Shared>& shared, const std::function<Result<std::string>()>& read) {
  Result<std::string> text = read();
  --reading;
  const std::lock_guard lock(shared->mutex);
  shared->text.emplace(std::move(text));
  shared->done.notify_one();
}

}  // namespace

Result<std::string> read_file_within(std::chrono::milliseconds limit, const std::string& path, std::size_t max_bytes) {
  return read_within(limit, path, [path, max_bytes] { return read_file(path, max_bytes); });
}

Result<std::string> read_within(std::chrono::milliseconds limit, const std::string& what,
                                std::function<Result<std::string>()> read) {
  if (reading >= max_left_behind) return system_failure(what + ": too many earlier reads have not returned", EBUSY);
  const auto shared = std::make_shared<Shared>();
  ++reading;
  try {
    std::thread(read_into, shared, std::move(read)).detach();
  } catch (const std::system_error& error) {
    --reading;
    return system_failure(what + ": no thread to read it in", error.code().value());
  }
  std::unique_lock lock(shared->mutex);
  if (!shared->done.wait_for(lock, limit, [&] { return shared->text.has_value(); })) {
    return system_failure(what + " does not answer", ETIMEDOUT);
  }
  return *std::move(shared->text);
}

}  // namespace katameter::host
