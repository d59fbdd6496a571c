#include "tests/scale/simulated_node.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/support/http_get.h"

namespace katameter::host::testing {

SimulatorProcess::SimulatorProcess(const std::string& run_root, int guests) {
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  REQUIRE(pipe2(to.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(from.data(), O_CLOEXEC) == 0);
  input_ = Fd(to[1]);
  output_ = Fd(from[0]);
  const Fd its_input(to[0]);
  const Fd its_output(from[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, its_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, its_output.get(), STDOUT_FILENO);
  // Ends with the tests, also where those abort.
  std::array<std::string, 8> arguments{"setpriv",    "--pdeathsig", "KILL",     SIMULATOR_PROGRAM,
                                       "--run-root", run_root,      "--guests", std::to_string(guests)};
  std::array<char*, arguments.size() + 1> argv{};
  for (std::size_t i = 0; i < arguments.size(); ++i) argv[i] = arguments[i].data();
  const int spawned = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(spawned == 0);
  CHECK_THAT(line(), Catch::Contains("sandboxes below"));
}

SimulatorProcess::~SimulatorProcess() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

std::string SimulatorProcess::line() {
  std::size_t end = 0;
  while ((end = unread_.find('\n')) == std::string::npos) {
    std::array<char, 4096> buffer;
    const ssize_t got = read(output_.get(), buffer.data(), buffer.size());
    REQUIRE(got > 0);
    unread_.append(buffer.data(), static_cast<std::size_t>(got));
  }
  const std::string found = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  return found;
}

std::string SimulatorProcess::ask(const std::string& command) {
  const std::string text = command + "\n";
  REQUIRE(write(input_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  return line();
}

SimulatedNode::SimulatedNode(int guests)
    : simulator_(folder_.path(), guests),
      host_probe_({"--run-root", folder_.path(), "--web.listen-address", "127.0.0.1:0"}),
      address_(host_probe_.addresses().at(0)),
      guests_(guests) {
  wait_connected();
}

std::string SimulatedNode::scrape(bool compressed) {
  return http_get(address_, "/metrics", compressed ? "Accept-Encoding: gzip\r\n" : "");
}

void SimulatedNode::add(int guests) {
  REQUIRE(simulator_.ask("add " + std::to_string(guests)) == "ok");
  guests_ += guests;
}

void SimulatedNode::boot(int guests, std::chrono::milliseconds duration) {
  REQUIRE(simulator_.ask("boot " + std::to_string(guests) + " " + std::to_string(duration.count())) == "ok");
  guests_ += guests;
}

void SimulatedNode::remove(int guests) {
  REQUIRE(simulator_.ask("remove " + std::to_string(guests)) == "ok");
  guests_ -= guests;
}

void SimulatedNode::wait_connected() {
  const std::string count = std::to_string(guests_);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  bool connected = false;
  while (!connected && std::chrono::steady_clock::now() < end) {
    connected = simulator_.ask("count").starts_with("guests " + count + " connected " + count + " ");
    log_ += host_probe_.take();
    if (!connected) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE(connected);
  REQUIRE_THAT(scrape(), Catch::Contains("\nkatameter_sandboxes " + count + "\n"));
  log_ += host_probe_.take();
}

SimulatedNode::Collects SimulatedNode::collects() {
  std::istringstream words(simulator_.ask("count"));
  std::string word;
  for (int i = 0; i < 5; ++i) words >> word;
  Collects collects;
  words >> collects.fewest >> collects.most;
  REQUIRE(words);
  return collects;
}

std::size_t SimulatedNode::resident_kb() const {
  std::ifstream status("/proc/" + std::to_string(host_probe_.pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  FAIL("host-probe has ended");
  return 0;
}

std::size_t SimulatedNode::descriptors() const {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(host_probe_.pid()) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace katameter::host::testing
