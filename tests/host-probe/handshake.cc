#include "host-probe/transport/handshake.h"

#include <catch2/catch.hpp>
#include <string>

using katameter::Handshake;
using State = Handshake::State;

TEST_CASE("the request is the port in one line") {
  CHECK(Handshake::request(1717) == "CONNECT 1717\n");
}

TEST_CASE("an OK line ends the handshake, and what follows it is left to the guest") {
  Handshake handshake;
  CHECK(handshake.untouched());
  CHECK(handshake.take("OK 1073741824\nframes") == 14);
  CHECK(handshake.state() == State::done);
  CHECK_FALSE(handshake.untouched());
}

TEST_CASE("the answer may come byte by byte") {
  Handshake handshake;
  const std::string answer = "OK 1073741824\n";
  for (const char byte : answer) {
    CHECK(handshake.state() == State::waiting);
    CHECK(handshake.take(std::string_view(&byte, 1)) == 1);
    CHECK_FALSE(handshake.untouched());
  }
  CHECK(handshake.state() == State::done);
}

TEST_CASE("any other line is a refusal") {
  for (const char* line :
       {"\n", "OK\n", "OK \n", "OK x\n", "OK 12 \n", "OK 12\r\n", "ok 12\n", "ERROR 12\n", " OK 1\n"}) {
    INFO(line);
    Handshake handshake;
    handshake.take(line);
    CHECK(handshake.state() == State::refused);
  }
}

TEST_CASE("a line without an end is refused at 32 bytes, not gathered for ever") {
  Handshake handshake;
  CHECK(handshake.take("OK " + std::string(28, '1')) == 31);
  CHECK(handshake.state() == State::waiting);
  CHECK(handshake.take(std::string(1'000'000, '1')) == 1);
  CHECK(handshake.state() == State::refused);
}
