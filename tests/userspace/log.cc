#include "userspace/log.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

using namespace katameter;

namespace {

const LogFields facts{{"sandbox", "b0d0"}, {"pid", 4711}, {"error", "no \"room\" is\nleft"}};

}  // namespace

TEST_CASE("logfmt has each field as a key and a value, quoted where it has to be") {
  CHECK(log_text(LogFormat::logfmt, "guest rejected", facts) ==
        R"(msg="guest rejected" sandbox=b0d0 pid=4711 error="no \"room\" is\nleft")");
  CHECK(log_text(LogFormat::logfmt, "plain", {}) == R"(msg="plain")");
  CHECK(log_text(LogFormat::logfmt, "x", {{"missing", ""}}) == R"(msg="x" missing="")");
}

TEST_CASE("JSON has each field as a member, numbers as numbers") {
  const auto line = nlohmann::json::parse("{" + log_text(LogFormat::json, "guest rejected", facts) + "}");
  CHECK(line == nlohmann::json{
                    {"msg", "guest rejected"}, {"sandbox", "b0d0"}, {"pid", 4711}, {"error", "no \"room\" is\nleft"}});
}

TEST_CASE("a plain line has the fields behind the message") {
  CHECK(log_text(LogFormat::plain, "guest rejected", facts) ==
        R"(guest rejected sandbox=b0d0 pid=4711 error="no \"room\" is\nleft")");
}

TEST_CASE("a value cannot forge a field or break the line") {
  CHECK(log_text(LogFormat::logfmt, "oom kill", {{"comm", "x\" pid=1"}}) == R"(msg="oom kill" comm="x\" pid=1")");
  CHECK(log_text(LogFormat::logfmt, "oom kill", {{"comm", "a=b"}}) == R"(msg="oom kill" comm="a=b")");
  const std::string json = "{" + log_text(LogFormat::json, "oom kill", {{"comm", "\xff\x01"}}) + "}";
  CHECK(nlohmann::json::parse(json).at("comm") == "\uFFFD\u0001");
}
