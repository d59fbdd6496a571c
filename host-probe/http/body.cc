#include "host-probe/http/body.h"

#include <isa-l/igzip_lib.h>
#include <malloc.h>
#include <microhttpd.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
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

// ISA-L's deflate: with labels that repeat so much it takes an eighth of the time of zlib's fastest level, and its output
// is no longer.
class Gzip {
 public:
  explicit Gzip(const Send& send) : send_(send) {
    isal_deflate_init(&stream_);
    stream_.gzip_flag = IGZIP_GZIP;
    stream_.level = 1;
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<std::uint32_t>(level_buffer_.size());
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<std::uint32_t>(buffer_.size());
  }

  /// False: what was sent so far is all there will be.
  bool feed(std::string_view part) {
    stream_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(part.data()));  // it only reads
    stream_.avail_in = static_cast<std::uint32_t>(part.size());
    for (;;) {
      if (isal_deflate(&stream_) != COMP_OK) return false;
      if (stream_.avail_out > 0) return true;
      hand_on();
    }
  }
  bool end() {
    stream_.end_of_stream = 1;
    const bool whole = feed({});
    hand_on();
    return whole;
  }

 private:
  void hand_on() {
    send_({reinterpret_cast<const char*>(buffer_.data()), buffer_.size() - stream_.avail_out});
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<std::uint32_t>(buffer_.size());
  }

  const Send& send_;
  std::array<std::uint8_t, std::size_t{16} * 1024> buffer_;
  std::array<std::uint8_t, ISAL_DEF_LVL1_SMALL> level_buffer_;
  isal_zstream stream_{};
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
      const std::unique_ptr<Gzip> gzip(gzip_ ? new Gzip(put) : nullptr);
      bool compressed = true;
      whole = write_([&](std::string_view part) {
        bytes += part.size();
        if (!gzip) return put(part);
        compressed = compressed && gzip->feed(part);
      });
      if (gzip) whole = whole && compressed && gzip->end();
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
    for (;;) {
      std::size_t size = take(to, max);
      if (size < max && swap_waiting()) size += take(to + size, max - size);
      if (size > 0) return static_cast<ssize_t>(size);
      const std::lock_guard lock(mutex_);
      if (!waiting_.empty()) continue;
      if (state_ == State::whole) return MHD_CONTENT_READER_END_OF_STREAM;
      if (state_ == State::broken || closed_) return MHD_CONTENT_READER_END_WITH_ERROR;
      // Under the lock: the thread resumes a connection only after it was suspended.
      reader_waits_ = true;
      MHD_suspend_connection(connection_);
      return 0;
    }
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

  std::size_t take(char* to, std::size_t max) {
    const std::size_t size = std::min(max, reading_.size() - read_);
    std::memcpy(to, reading_.data() + read_, size);
    read_ += size;
    return size;
  }

  // The part that waits is the reader's now; false if there is none.
  bool swap_waiting() {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) return false;
      reading_.swap(waiting_);
      waiting_.clear();
      read_ = 0;
    }
    changed_.notify_one();  // not under the lock, which it would wait for
    return true;
  }

  // Copies without the lock: each side works on a part of its own, and one waits between them.
  void put(std::string_view part) {
    if (part.empty()) return;
    writing_.assign(part);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || waiting_.empty(); });
    if (closed_) return;
    waiting_.swap(writing_);
    resume();
  }

  void resume() {
    if (std::exchange(reader_waits_, false)) resumer_.resume(connection_);
  }

  Resumer& resumer_;
  MHD_Connection* connection_;
  const bool gzip_;
  WriteText write_;
  std::string writing_;       // of the thread
  std::string reading_;       // of the reader
  std::size_t read_ = 0;      // bytes of it that MHD has
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::string waiting_;
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
