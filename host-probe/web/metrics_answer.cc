#include "host-probe/web/metrics_answer.h"

#include <civetweb.h>
#include <malloc.h>
#include <zlib.h>

#include <array>
#include <cstddef>
#include <string_view>

#include "host-probe/metrics/scrape.h"

namespace katameter {
namespace {

// To give memory back stops all threads for each hole in the heap. What a scrape leaves behind is that of the report,
// worth the while from some 60 sandboxes on.
constexpr std::size_t text_worth_trimming = std::size_t{4} << 20;

class Body {
 public:
  Body(mg_connection* connection, bool chunked) : connection_(connection), chunked_(chunked) {}

  void send(std::string_view part) {
    if (gone_ || part.empty()) return;  // an empty chunk is the last one
    const int sent = chunked_ ? mg_send_chunk(connection_, part.data(), static_cast<unsigned>(part.size()))
                              : mg_write(connection_, part.data(), part.size());
    gone_ = sent <= 0;
  }
  void end() {
    if (chunked_ && !gone_) mg_send_chunk(connection_, "", 0);
  }

 private:
  mg_connection* connection_;
  bool chunked_;
  bool gone_ = false;  // nobody reads any more
};

class Gzip {
 public:
  explicit Gzip(Body& body) : body_(body) {}
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
    body_.send({reinterpret_cast<const char*>(buffer_.data()), buffer_.size() - stream_.avail_out});
    stream_.next_out = buffer_.data();
    stream_.avail_out = static_cast<unsigned>(buffer_.size());
  }

  Body& body_;
  std::array<unsigned char, std::size_t{16} * 1024> buffer_;
  z_stream stream_{};
};

bool takes_gzip(mg_connection* connection) {
  const char* accepted = mg_get_header(connection, "Accept-Encoding");
  return accepted != nullptr && std::string_view(accepted).find("gzip") != std::string_view::npos;
}

}  // namespace

int answer_scrape(mg_connection* connection, ScrapeGate& gate) {
  const mg_request_info& request = *mg_get_request_info(connection);
  const bool chunked = std::string_view(request.http_version) != "1.0";
  Body body(connection, chunked);
  Gzip gzip(body);
  const bool compressed = takes_gzip(connection) && gzip.start();
  mg_printf(
      connection,
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n%s%sConnection: close\r\n\r\n",
      compressed ? "Content-Encoding: gzip\r\n" : "", chunked ? "Transfer-Encoding: chunked\r\n" : "");
  if (std::string_view(request.request_method) == "HEAD") return 200;

  std::size_t bytes = 0;
  const auto send = [&](std::string_view part) {
    bytes += part.size();
    compressed ? gzip.feed(part) : body.send(part);
  };
  // Without its end the scraper knows that it has not got all.
  if (scrape(gate, send)) {
    if (compressed) gzip.end();
    body.end();
  }
  if (bytes >= text_worth_trimming) malloc_trim(0);
  return 200;
}

}  // namespace katameter
