#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <regex>
#include <thread>

#include "tests/support/bcrypt.h"
#include "tests/support/http_get.h"
#include "tests/support/program.h"
#include "tests/support/temporary_directory.h"
#include "userspace/fd.h"

using namespace katameter;
using namespace katameter::host;
using namespace katameter::host::testing;
using namespace katameter::testing;
using namespace std::chrono_literals;

namespace {

std::string write_file(const TemporaryDirectory& folder, const std::string& text) {
  const std::string path = folder.path() / "web.yml";
  std::ofstream(path) << text;
  return path;
}

Fd connected(const std::string& address) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  return socket;
}

// The best of some requests: the machine may be busy, the server may not.
std::chrono::duration<double> time_of(const std::string& address, const std::string& path,
                                      const std::string& expected) {
  std::chrono::duration<double> best = 1h;
  for (int i = 0; i < 3 || (best >= 1s && i < 20); ++i) {
    const auto start = std::chrono::steady_clock::now();
    CHECK_THAT(http_get(address, path), Catch::Contains(expected));
    best = std::min<std::chrono::duration<double>>(best, std::chrono::steady_clock::now() - start);
  }
  return best;
}

bool has_answer(const Fd& socket) {
  pollfd answer{socket.get(), POLLIN, 0};
  return poll(&answer, 1, 0) > 0;
}

// A request that is sent a byte at a time and never ends.
void drip(const std::vector<Fd>& sockets, const std::atomic<bool>& stop) {
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: node\r\nX-Slow: ";
  for (std::size_t i = 0; !stop; ++i) {
    const char byte = i < request.size() ? request[i] : 'a';
    for (const Fd& socket : sockets) static_cast<void>(send(socket.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT));
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace

TEST_CASE("several addresses, another path, pages without login, metrics with") {
  const TemporaryDirectory folder;
  const std::string config = write_file(folder, "basic_auth_users:\n  alice: " + bcrypt("secret") + "\n");
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--web.listen-address",
                   "127.0.0.2:0", "--web.telemetry-path", "/kata/metrics", "--web.config.file", config});
  const auto addresses = program.addresses();
  REQUIRE(addresses.size() == 2);
  const std::string alice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";  // alice:secret
  for (const std::string& address : addresses) {
    INFO(address);
    CHECK_THAT(http_get(address, "/kata/metrics"), Catch::Contains(" 401 "));
    CHECK_THAT(http_get(address, "/kata/metrics", "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n"),
               Catch::Contains(" 401 "));
    CHECK_THAT(http_get(address, "/kata/metrics", alice),
               Catch::Contains(" 200 ") && Catch::Contains("katameter_sandboxes 0"));
    CHECK_THAT(http_get(address, "/kata/metrics", alice + "Accept-Encoding: gzip\r\n"),
               Catch::Contains("Content-Encoding: gzip"));
    CHECK_THAT(http_get(address, "/metrics", alice), Catch::Contains(" 404 "));
    CHECK_THAT(http_get(address, "/api/sandboxes"), Catch::Contains(" 401 "));
    CHECK_THAT(http_get(address, "/api/sandboxes", alice), Catch::Contains(" 200 "));
    CHECK_THAT(http_get(address, "/"), Catch::Contains(" 200 ") && Catch::Contains("href=\"kata/metrics\""));
    // What the page is made of, and nothing else.
    CHECK_THAT(http_get(address, "/"),
               Catch::Contains("src=\"page/main.js\"") && !Catch::Contains("@") &&
                   Catch::Contains("Content-Security-Policy: default-src 'none'; script-src 'self';"));
    CHECK_THAT(http_get(address, "/page/main.js"),
               Catch::Contains(" 200 ") && Catch::Contains("Content-Type: text/javascript"));
    CHECK_THAT(http_get(address, "/page/style.css"),
               Catch::Contains(" 200 ") && Catch::Contains("Content-Type: text/css"));
    for (const char* path : {"/page/", "/page/other.js", "/page/../main.js", "/page"}) {
      INFO(path);
      CHECK_THAT(http_get(address, path), Catch::Contains(" 404 "));
    }
    CHECK_THAT(http_get(address, "/-/healthy"), Catch::Contains(" 200 "));
  }
  CHECK_THAT(http_get(addresses[0], "/-/ready"), Catch::Contains(" 200 "));
  const std::string metrics = http_get(addresses[0], "/kata/metrics", alice);
  for (const char* name : {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}) {
    INFO(name);
    const std::size_t at = metrics.find(std::string("\n") + name + " ");
    REQUIRE(at != std::string::npos);
    CHECK(std::stod(metrics.substr(at + std::string(name).size() + 2)) > 0);
  }
}

TEST_CASE("links of the page are relative, so that it can be served below a prefix") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string page = http_get(program.addresses().at(0), "/");
  const std::regex link("(?:href|src)=\"([^\"]*)\"");
  std::size_t links = 0;
  for (std::sregex_iterator i(page.begin(), page.end(), link), end; i != end; ++i, ++links) {
    CHECK_THAT((*i)[1].str(), !Catch::StartsWith("/"));
  }
  CHECK(links >= 6);
}

TEST_CASE("idle and dripping connections do not delay others") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string address = program.addresses().at(0);
  std::vector<Fd> idle;
  for (int i = 0; i < 200; ++i) idle.push_back(connected(address));
  std::vector<Fd> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(connected(address));
  // These ask for a scrape and never read it.
  std::vector<Fd> unread;
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n";
  for (int i = 0; i < 20; ++i) {
    unread.push_back(connected(address));
    REQUIRE(send(unread.back().get(), request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size()));
  }
  std::atomic<bool> stop = false;
  std::thread dripping(drip, std::cref(slow), std::cref(stop));
  CHECK(time_of(address, "/-/healthy", "healthy") < 1s);
  CHECK(time_of(address, "/metrics", "katameter_sandboxes 0") < 1s);
  CHECK_THAT(http_get(address, "/metrics"), Catch::Contains("\nkatameter_http_connections 24"));
  stop = true;
  dripping.join();
}

TEST_CASE("with more connections than there is room for, the oldest idle one goes") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string address = program.addresses().at(0);
  std::vector<Fd> idle;
  for (int i = 0; i < 700; ++i) idle.push_back(connected(address));
  CHECK(time_of(address, "/-/healthy", "healthy") < 1s);
  CHECK_THAT(http_get(address, "/metrics"), Catch::Contains("katameter_sandboxes 0"));
  char byte = 0;
  CHECK(recv(idle.front().get(), &byte, 1, 0) <= 0);
  CHECK((recv(idle.back().get(), &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN));
}

TEST_CASE("a connection in use stays when idle ones fill the room, however old it is") {
  const TemporaryDirectory folder;
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0"});
  const std::string address = program.addresses().at(0);
  const Fd used = connected(address);
  const auto answers = [&] {
    const std::string request = "GET /-/healthy HTTP/1.1\r\nHost: node\r\n\r\n";
    static_cast<void>(send(used.get(), request.data(), request.size(), MSG_NOSIGNAL));
    std::string answer(1024, '\0');
    answer.resize(static_cast<std::size_t>(std::max<ssize_t>(0, recv(used.get(), answer.data(), answer.size(), 0))));
    return answer;
  };
  std::vector<Fd> idle;
  for (int i = 0; i < 300; ++i) idle.push_back(connected(address));
  // The server takes connections in their order: all of those have been taken.
  CHECK_THAT(http_get(address, "/-/healthy"), Catch::Contains(" 200 "));
  CHECK_THAT(answers(), Catch::Contains(" 200 "));
  for (int i = 0; i < 300; ++i) idle.push_back(connected(address));
  CHECK_THAT(http_get(address, "/-/healthy"), Catch::Contains(" 200 "));
  CHECK_THAT(answers(), Catch::Contains(" 200 "));
  char byte = 0;
  CHECK(recv(idle.front().get(), &byte, 1, 0) <= 0);
}

TEST_CASE("wrong passwords in number do not stop those who have logged in, nor health checks") {
  const TemporaryDirectory folder;
  const std::string config =
      write_file(folder, "basic_auth_users:\n  alice: " + bcrypt("secret") + "\n  bob: " + bcrypt("other", 12) + "\n");
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--web.config.file", config});
  const std::string address = program.addresses().at(0);
  const std::string alice = "Authorization: Basic YWxpY2U6c2VjcmV0\r\n";  // alice:secret
  CHECK_THAT(http_get(address, "/metrics", alice), Catch::Contains(" 200 "));
  std::vector<Fd> guesses;
  const std::string guess = "GET /metrics HTTP/1.0\r\nAuthorization: Basic Ym9iOndyb25n\r\n\r\n";  // bob:wrong
  for (int i = 0; i < 20; ++i) {
    guesses.push_back(connected(address));
    REQUIRE(send(guesses.back().get(), guess.data(), guess.size(), MSG_NOSIGNAL) > 0);
  }
  CHECK_THAT(http_get(address, "/metrics", alice), Catch::Contains(" 200 "));
  CHECK_THAT(http_get(address, "/-/healthy"), Catch::Contains(" 200 "));
  // 20 hashes of cost 12 take seconds: most of them still wait.
  CHECK(std::ranges::count_if(guesses, has_answer) < 10);
  // It ends at once, though some of them wait.
  program.stop(SIGTERM);
  CHECK(program.status() == 0);
}

TEST_CASE("a rate limit refuses what is beyond it, health checks excepted; headers are those of the file") {
  const TemporaryDirectory folder;
  const std::string config =
      write_file(folder,
                 "rate_limit:\n  interval: 1h\n  burst: 2\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n"
                 "    Strict-Transport-Security: max-age=60\n    Content-Security-Policy: default-src 'self'\n");
  Program program({"--run-root", folder.path(), "--web.listen-address", "127.0.0.1:0", "--web.config.file", config});
  const std::string address = program.addresses().at(0);
  CHECK_THAT(http_get(address, "/metrics"), Catch::Contains(" 200 ") && Catch::Contains("X-Frame-Options: deny\r\n") &&
                                                Catch::Contains("Strict-Transport-Security: max-age=60\r\n"));
  CHECK_THAT(http_get(address, "/"), Catch::Contains("Content-Security-Policy: default-src 'self'\r\n") &&
                                         !Catch::Contains("default-src 'none'"));
  CHECK_THAT(http_get(address, "/metrics"), Catch::Contains(" 429 ") && Catch::Contains("Retry-After"));
  CHECK_THAT(http_get(address, "/-/healthy"), Catch::Contains(" 200 "));
}
