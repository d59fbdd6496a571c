#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host-probe/http/pages.h"
#include "host-probe/timer_queue.h"
#include "userspace/event_loop.h"
#include "userspace/result.h"

namespace katameter::host::http {

struct Options {
  /// `IP:PORT`, `[IPv6]:PORT`, `NAME:PORT` or `:PORT` each; port 0 takes a free one.
  std::vector<std::string> listen_addresses{"127.0.0.1:9717"};
  bool systemd_socket = false;  ///< serve on what systemd has opened instead
  std::string telemetry_path = "/metrics";
  std::string config_file;  ///< see web_config.h; empty = everybody may read, by plain HTTP
};

/// Serves HTTP in the event loop's thread by libmicrohttpd: an idle or slow client is a descriptor in an epoll set. What
/// takes time has threads: a password (basic_auth.h) and the text of a report (body.h).
class Server {
 public:
  using Report = ReportPage::Report;
  /// Starts a collection and hands its report to the given function, now or later, in the loop's thread.
  using Collect = std::function<void(std::function<void(const Report&)>)>;

  /// A scraper gets an answer within this time, whatever the guests do.
  static constexpr std::chrono::milliseconds report_deadline{2000};
  /// Connections at a time. For one more, the one that has been idle longest is closed.
  static constexpr std::size_t max_connections = 512;

  /// Listens; the first connection is accepted when the loop runs. `loop` and `timers` must live longer. The error is one
  /// line that says what to do.
  static Result<std::unique_ptr<Server>> create(EventLoop& loop, TimerQueue& timers, const Options& options,
                                                Collect collect, std::vector<ReportPage> pages);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  /// Where the metrics are in fact, as `http://IP:PORT/metrics`, with blanks between if there are several.
  const std::string& urls() const;

  /// From here on /-/ready answers with 200.
  void set_ready();

  /// Reads the web configuration, its certificates included, again. It never turns off what protects the metrics, users
  /// or TLS: that takes a restart. On an error nothing has changed. Files that change are read again without it, too, at
  /// the next connection.
  Status reload(const std::string& config_file);

 private:
  class Implementation;
  explicit Server(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

/// Whether create() would take this web configuration and the certificates that it names.
Status check_web_config(const std::string& config_file);

}  // namespace katameter::host::http
