#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

struct MHD_Connection;
struct MHD_Response;

namespace katameter::host::http {

class Resumer;

/// Takes the next part of a text.
using Send = std::function<void(std::string_view)>;
/// Writes a whole text. False: it broke off, what was sent is not all.
using WriteText = std::function<bool(const Send&)>;

/// The bodies of answers that are written while they are sent, each by a thread of its own: a scraper that reads slowly
/// holds its own thread and a buffer, and delays no other. For the event loop's thread.
class Bodies {
 public:
  /// Bodies at a time. A node has a few scrapers; 20 that never finish leave room.
  static constexpr std::size_t max_bodies = 64;

  /// `resumer` must live longer.
  explicit Bodies(Resumer& resumer) : resumer_(resumer) {}
  Bodies(const Bodies&) = delete;
  Bodies& operator=(const Bodies&) = delete;
  /// Breaks off those under way and waits for their threads.
  ~Bodies();

  /// Starts to write the body of an answer for this connection, gzipped if asked for; null if there are too many or no
  /// thread can be had. The response ends without its last chunk where `write` broke off.
  MHD_Response* start(MHD_Connection* connection, bool gzip, WriteText write);

  /// No body that waits for its reader will resume a connection any more.
  void close();

 private:
  class Body;
  struct Work {
    std::shared_ptr<Body> body;
    std::thread thread;
  };
  void reap();

  Resumer& resumer_;
  std::list<Work> works_;
};

}  // namespace katameter::host::http
