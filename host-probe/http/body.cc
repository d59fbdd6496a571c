#include "host-probe/http/body.h"

#include <malloc.h>
#include <microhttpd.h>
#include <pthread.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include "host-probe/http/daemon.h"
#include "userspace/log.h"

namespace katameter::host::http {
namespace {

// malloc_trim() locks every arena. What a scrape leaves behind is the report, worth it from some 60 sandboxes on.
constexpr std::size_t text_worth_trimming = std::size_t{4} << 20;
// What may wait for its reader.
constexpr std::size_t max_buffered = std::size_t{128} * 1024;

class Gzip {
 public:
  explicit Gzip(const Send& send) : send_(send) {}
  ~Gzip() { deflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  /// False if there is no memory for it.
  bool start() {
    constexpr int gzip_format = 16 + MAX_WBITS;
    // The fastest level: labels repeat so much that the best one would save little and take three times as long.
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<unsigned>(buffer_.size());
    return deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, gzip_format, 9, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  void feed(std::string_view part, int flush = Z_NO_FLUSH) {
    stream_.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(part.data()));  // it only reads
    stream_.avail_in = static_cast<unsigned>(part.size());
    for (;;) {
      deflate(&stream_, flush);
      if (stream_.avail_out > 0) return;
      hand_on();
    }
  }
  void end() {
    feed({}, Z_FINISH);
    hand_on();
  }

 private:
  void hand_on() {
    send_({reinterpret_cast<const char*>(buffer_.data()), buffer_.size() - stream_.avail_out});
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<unsigned>(buffer_.size());
  }

  const Send& send_;
  std::array<unsigned char, std::size_t{16} * 1024> buffer_;
  z_stream stream_{};
};

}  // namespace

// Between the thread that writes and the server, which reads when the connection takes more.
class Bodies::Body {
 public:
  Body(Resumer& resumer, MHD_Connection* connection, bool gzip, WriteText write)
      : resumer_(resumer), connection_(connection), gzip_(gzip), write_(std::move(write)) {}

  /// In the thread.
  void run() {
    std::size_t bytes = 0;
    bool whole = false;
    const Send put = [this](std::string_view part) { this->put(part); };
    try {
      Gzip gzip(put);
      if (!gzip_ || gzip.start()) {
        whole = write_([&](std::string_view part) {
          bytes += part.size();
          gzip_ ? gzip.feed(part) : put(part);
        });
        if (whole && gzip_) gzip.end();
      }
    } catch (const std::exception& error) {  // no memory
      log_error("an answer broke off", {{"error", error.what()}});
      whole = false;
    }
    write_ = nullptr;  // and the report with it
    if (bytes >= text_worth_trimming) malloc_trim(0);
    const std::lock_guard lock(mutex_);
    state_ = whole ? State::whole : State::broken;
    resume();
    finished_ = true;
  }

  /// In the event loop's thread, as MHD_ContentReaderCallback.
  ssize_t read(char* to, std::size_t max) {
    const std::lock_guard lock(mutex_);
    if (!buffer_.empty()) {
      const std::size_t size = std::min(max, buffer_.size() - read_);
      std::memcpy(to, buffer_.data() + read_, size);
      read_ += size;
      if (read_ == buffer_.size()) {
        buffer_.clear();
        read_ = 0;
        changed_.notify_one();
      }
      return static_cast<ssize_t>(size);
    }
    if (state_ == State::whole) return MHD_CONTENT_READER_END_OF_STREAM;
    if (state_ == State::broken || closed_) return MHD_CONTENT_READER_END_WITH_ERROR;
    // Under the lock: the thread resumes a connection only after it was suspended.
    reader_waits_ = true;
    MHD_suspend_connection(connection_);
    return 0;
  }

  /// The reader is gone.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    resume();
    changed_.notify_one();
  }

  bool finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
  }

 private:
  enum class State { writing, whole, broken };

  void put(std::string_view part) {
    std::unique_lock lock(mutex_);
    while (!part.empty()) {
      changed_.wait(lock, [this] { return closed_ || buffer_.size() < max_buffered; });
      if (closed_) return;
      const std::size_t size = std::min(part.size(), max_buffered - buffer_.size());
      buffer_.append(part.substr(0, size));
      part.remove_prefix(size);
      resume();
    }
  }

  void resume() {
    if (std::exchange(reader_waits_, false)) resumer_.resume(connection_);
  }

  Resumer& resumer_;
  MHD_Connection* connection_;
  const bool gzip_;
  WriteText write_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::string buffer_;
  std::size_t read_ = 0;  // bytes of the buffer that the reader has
  State state_ = State::writing;
  bool reader_waits_ = false;  // the connection is suspended
  bool closed_ = false;
  bool finished_ = false;
};

Bodies::~Bodies() {
  close();
  for (Work& work : works_) work.thread.join();
}

void Bodies::close() {
  for (const Work& work : works_) work.body->close();
}

void Bodies::reap() {
  works_.remove_if([](Work& work) {
    if (!work.body->finished()) return false;
    work.thread.join();
    return true;
  });
}

MHD_Response* Bodies::start(MHD_Connection* connection, bool gzip, WriteText write) {
  reap();
  if (works_.size() >= max_bodies) return nullptr;
  auto body = std::make_shared<Body>(resumer_, connection, gzip, std::move(write));
  auto owner = std::make_unique<std::shared_ptr<Body>>(body);
  constexpr std::size_t block = std::size_t{16} * 1024;  // for HTTP/1.0; chunks are as large as the connection's buffer
  MHD_Response* response = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, block,
      [](void* reader, std::uint64_t, char* to, std::size_t max) {
        return (*static_cast<std::shared_ptr<Body>*>(reader))->read(to, max);
      },
      owner.get(),
      [](void* reader) {
        const std::unique_ptr<std::shared_ptr<Body>> last(static_cast<std::shared_ptr<Body>*>(reader));
        (*last)->close();
      });
  if (response == nullptr) return nullptr;
  static_cast<void>(owner.release());  // the response's now
  try {
    works_.push_back({body, std::thread([body] {
                        pthread_setname_np(pthread_self(), "scrape");
                        body->run();
                      })});
  } catch (const std::system_error& error) {
    log_error("no thread to write an answer in", {{"error", error.what()}});
    MHD_destroy_response(response);
    return nullptr;
  }
  return response;
}

}  // namespace katameter::host::http
