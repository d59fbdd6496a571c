#include <zlib.h>

#include <catch2/catch.hpp>
#include <string>

#include "tests/support/http_get.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"

using namespace katameter::host::testing;
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

const std::string newer = " /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n";

}  // namespace

TEST_CASE("a scrape is sent in chunks, gzipped on request, and without chunks to HTTP/1.0") {
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

TEST_CASE("HEAD of the metrics has the headers and no body") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const Answer answer = take_apart(http_ask(program.addresses().at(0), "HEAD" + newer + "\r\n"));
  CHECK_THAT(answer.head, Catch::Contains(" 200 ") && Catch::Contains("Content-Type: text/plain; version=0.0.4"));
  CHECK(answer.body.empty());
}

TEST_CASE("gzip with a weight of 0 is not gzip") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string address = program.addresses().at(0);
  const auto head = [&](const std::string& accepted) {
    return take_apart(http_ask(address, "HEAD" + newer + "Accept-Encoding: " + accepted + "\r\n\r\n")).head;
  };
  CHECK_THAT(head("gzip;q=0"), !Catch::Contains("Content-Encoding"));
  CHECK_THAT(head("gzip; q=0.000, br"), !Catch::Contains("Content-Encoding"));
  CHECK_THAT(head("br, GZIP ; q=0.5"), Catch::Contains("Content-Encoding: gzip"));
  CHECK_THAT(head("br"), !Catch::Contains("Content-Encoding"));
}

TEST_CASE("what is not there, not allowed or too large has its status") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string address = program.addresses().at(0);
  const auto ask = [&](const std::string& line, const std::string& more = "") {
    return http_ask(address, line + " HTTP/1.1\r\nHost: node\r\nConnection: close\r\n" + more + "\r\n");
  };
  CHECK_THAT(ask("GET /nothing"), Catch::Contains(" 404 "));
  CHECK_THAT(ask("HEAD /nothing"), Catch::Contains(" 404 ") && !Catch::Contains("Not found"));
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    INFO(method);
    CHECK_THAT(ask(std::string(method) + " /metrics"), Catch::Contains(" 405 ") && Catch::Contains("Allow: GET, HEAD"));
  }
  CHECK_THAT(ask("POST /metrics", "Content-Length: 3\r\n\r\nabc"), Catch::Contains(" 405 "));
  CHECK_THAT(ask("HEAD /"), Catch::Contains(" 200 ") && !Catch::Contains("<html"));
  CHECK_THAT(ask("GET /-/healthy", "X-Large: " + std::string(64 * 1024, 'a') + "\r\n"), Catch::Contains(" 431 "));
  CHECK_THAT(http_get(address, "/metrics"),
             Catch::Contains("\nkatameter_http_requests_total{code=\"405\",handler=\"other\"} 5\n") &&
                 Catch::Contains("\nkatameter_http_connections 1\n"));
}

TEST_CASE("a connection serves one request after the other") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string keep = " HTTP/1.1\r\nHost: node\r\n\r\n";
  const std::string all = http_ask(program.addresses().at(0), "GET /metrics" + keep + "GET /-/healthy" + keep +
                                                                  "GET /-/ready HTTP/1.1\r\nHost: node\r\n"
                                                                  "Connection: close\r\n\r\n");
  CHECK_THAT(all, Catch::Contains("katameter_sandboxes 0") && Catch::Contains("host-probe is healthy") &&
                      Catch::Contains("host-probe is ready"));
}
