#include "host-probe/web/metrics_answer.h"

#include <civetweb.h>
#include <malloc.h>
#include <zlib.h>

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace katameter {
namespace {

// To give memory back stops all threads for each hole in the heap, and the next scrape has to fault it in anew: a fifth of
// the scrape of a node of ten sandboxes. Some 60 sandboxes have so much text.
constexpr std::size_t text_worth_trimming = std::size_t{4} << 20;

// Each piece is let go as soon as it is compressed. Nothing if there is no memory for it.
std::optional<std::string> compress(Exposition& exposition) {
  constexpr int gzip_format = 16 + MAX_WBITS;
  z_stream stream{};
  // The fastest level: labels repeat so much that the best one would save little and take three times as long.
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, gzip_format, 9, Z_DEFAULT_STRATEGY) != Z_OK) return std::nullopt;
  std::string made;
  std::array<unsigned char, std::size_t{64} * 1024> buffer;
  const auto feed = [&](std::string& piece, int flush) {
    stream.next_in = reinterpret_cast<unsigned char*>(piece.data());
    stream.avail_in = static_cast<unsigned>(piece.size());
    do {
      stream.next_out = buffer.data();
      stream.avail_out = static_cast<unsigned>(buffer.size());
      deflate(&stream, flush);
      made.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
    std::string().swap(piece);
  };
  for (std::string& piece : exposition) feed(piece, Z_NO_FLUSH);
  std::string end;
  feed(end, Z_FINISH);
  deflateEnd(&stream);
  return made;
}

bool takes_gzip(mg_connection* connection) {
  const char* accepted = mg_get_header(connection, "Accept-Encoding");
  return accepted != nullptr && std::string_view(accepted).find("gzip") != std::string_view::npos;
}

void send_head(mg_connection* connection, std::size_t bytes, std::string_view encoding) {
  mg_printf(connection,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n%sContent-Length: %zu\r\n"
            "Connection: close\r\n\r\n",
            std::string(encoding).c_str(), bytes);
}

}  // namespace

int answer_with(mg_connection* connection, Exposition exposition) {
  std::size_t bytes = 0;
  for (const std::string& piece : exposition) bytes += piece.size();
  const bool body = std::string_view(mg_get_request_info(connection)->request_method) != "HEAD";
  const auto compressed = takes_gzip(connection) ? compress(exposition) : std::nullopt;
  if (compressed) {
    send_head(connection, compressed->size(), "Content-Encoding: gzip\r\n");
    if (body) mg_write(connection, compressed->data(), compressed->size());
  } else {
    send_head(connection, bytes, "");
    for (const std::string& piece : exposition) {
      if (!body || mg_write(connection, piece.data(), piece.size()) < 0) break;
    }
  }
  Exposition().swap(exposition);
  // Nobody waits any more. The text of a large node is many times what is kept of it between two scrapes.
  if (bytes >= text_worth_trimming) malloc_trim(0);
  return 200;
}

}  // namespace katameter
