#include <zlib.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/host-probe/support/http_get.h"
#include "tests/host-probe/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter::testing;

namespace {

struct Answer {
  std::string head;
  std::string body;
};

Answer take_apart(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  REQUIRE(end != std::string::npos);
  return {answer.substr(0, end + 2), answer.substr(end + 4)};
}

// Fails unless the last chunk, which is empty, is the end.
std::string join_chunks(const std::string& body) {
  std::string joined;
  std::size_t at = 0;
  for (;;) {
    const std::size_t line = body.find("\r\n", at);
    REQUIRE(line != std::string::npos);
    const std::size_t size = std::stoul(body.substr(at, line - at), nullptr, 16);
    REQUIRE(line + 2 + size + 2 <= body.size());
    joined += body.substr(line + 2, size);
    at = line + 2 + size + 2;
    REQUIRE(body.substr(at - 2, 2) == "\r\n");
    if (size == 0) break;
  }
  CHECK(at == body.size());
  return joined;
}

std::string uncompressed(const std::string& compressed) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK);
  std::string text(1 << 20, '\0');
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<unsigned>(compressed.size());
  stream.next_out = reinterpret_cast<unsigned char*>(text.data());
  stream.avail_out = static_cast<unsigned>(text.size());
  const int ended = inflate(&stream, Z_FINISH);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  REQUIRE(ended == Z_STREAM_END);
  return text;
}

void check_whole(const std::string& text) {
  CHECK_THAT(text,
             Catch::StartsWith("# HELP ") && Catch::Contains("\nkatameter_sandboxes 0\n") && Catch::EndsWith("\n"));
}

const std::string newer = " /metrics HTTP/1.1\r\nHost: node\r\n";

}  // namespace

TEST_CASE("a scrape is answered in chunks, compressed if the scraper likes, and to HTTP/1.0 as it is") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string address = program.addresses().at(0);
  const Answer plain = take_apart(http_ask(address, "GET" + newer + "\r\n"));
  CHECK_THAT(plain.head, Catch::Contains(" 200 ") && Catch::Contains("\r\nTransfer-Encoding: chunked\r\n") &&
                             !Catch::Contains("Content-Encoding"));
  check_whole(join_chunks(plain.body));

  const Answer compressed = take_apart(http_ask(address, "GET" + newer + "Accept-Encoding: gzip\r\n\r\n"));
  CHECK_THAT(compressed.head, Catch::Contains("\r\nContent-Encoding: gzip\r\n"));
  check_whole(uncompressed(join_chunks(compressed.body)));

  const Answer old = take_apart(http_get(address, "/metrics"));
  CHECK_THAT(old.head, !Catch::Contains("Transfer-Encoding"));
  check_whole(old.body);
  check_whole(uncompressed(take_apart(http_get(address, "/metrics", "Accept-Encoding: gzip\r\n")).body));
}

TEST_CASE("who asks for the head of a scrape gets nothing else") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const Answer answer = take_apart(http_ask(program.addresses().at(0), "HEAD" + newer + "\r\n"));
  CHECK_THAT(answer.head, Catch::Contains(" 200 ") && Catch::Contains("Content-Type: text/plain; version=0.0.4"));
  CHECK(answer.body.empty());
}
