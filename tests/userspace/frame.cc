#include "userspace/wire/frame.h"

#include <catch2/catch.hpp>

using namespace katameter::wire;

TEST_CASE("Frames are cut at their lengths however the bytes arrive") {
  const std::string stream = frame("first") + frame("second, longer") + frame("x");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{7}, stream.size()}) {
    FrameReader reader;
    std::vector<std::string> payloads;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      reader.append(std::string_view(stream).substr(at, piece));
      while (true) {
        const auto payload = reader.next();
        REQUIRE(payload);
        if (!*payload) break;
        payloads.push_back(**payload);
      }
    }
    CHECK(payloads == std::vector<std::string>{"first", "second, longer", "x"});
    CHECK(reader.pending() == 0);
  }
}

TEST_CASE("A truncated frame is waited for, and known to be incomplete") {
  FrameReader reader;
  const std::string whole = frame("payload");
  reader.append(std::string_view(whole).substr(0, whole.size() - 1));
  const auto payload = reader.next();
  REQUIRE(payload);
  CHECK_FALSE(*payload);
  CHECK(reader.pending() == whole.size() - 1);
}

TEST_CASE("An oversized or empty frame ends the stream before anything is held for it") {
  for (const std::string& header : {std::string("\x00\x50\x00\x01", 4), std::string("\xff\xff\xff\xff", 4),
                                    std::string("\x00\x00\x00\x00", 4), std::string("GET ", 4)}) {
    FrameReader reader;
    reader.append(header);
    const auto payload = reader.next();
    REQUIRE_FALSE(payload);
    CHECK(payload.error().text.find(std::to_string(max_frame_bytes)) != std::string::npos);
  }
}

TEST_CASE("A reader can be given a smaller bound") {
  FrameReader reader(max_request_bytes);
  reader.append(std::string("\x00\x01\x00\x01", 4));
  const auto payload = reader.next();
  REQUIRE_FALSE(payload);
  CHECK(payload.error().text.find("65536") != std::string::npos);
}

TEST_CASE("The largest frame passes") {
  const std::string payload(max_frame_bytes, 'p');
  FrameReader reader;
  reader.append(frame(payload));
  const auto read = reader.next();
  REQUIRE(read);
  REQUIRE(*read);
  CHECK(**read == payload);
}
