#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "tests/support/simulator/figures.h"
#include "userspace/event_loop.h"
#include "userspace/fd.h"
#include "userspace/result.h"
#include "userspace/wire/frame.h"
#include "userspace/wire/messages.h"

namespace katameter::simulator {

/// What host-probe meets of one sandbox: the hybrid vsock of a cloud-hypervisor, with a guest-probe behind it. One
/// connection at a time, as host-probe has it; a newer one takes the place of the older.
class SimulatedGuest {
 public:
  /// Listens in `directory`, which has to exist, as clh.sock. `number` decides ids and figures.
  static Result<std::unique_ptr<SimulatedGuest>> create(EventLoop& loop, const std::string& directory,
                                                        std::uint64_t number, const Load& load);

  /// For so long connections are taken and stay silent: cloud-hypervisor accepts before its guest has a vsock.
  void boot_for(std::chrono::milliseconds duration) { booted_ = Clock::now() + duration; }
  ~SimulatedGuest();
  SimulatedGuest(const SimulatedGuest&) = delete;
  SimulatedGuest& operator=(const SimulatedGuest&) = delete;

  bool connected() const { return introduced_; }
  /// Snapshots that were asked for since it is there.
  std::uint64_t collects() const { return collects_; }

 private:
  using Clock = std::chrono::steady_clock;

  /// CLOCK_BOOTTIME, which KVM makes a guest's clock of: the time that the node was suspended is in it.
  static std::chrono::nanoseconds boottime();

  SimulatedGuest(EventLoop& loop, Fd listener, std::uint64_t number, const Load& load)
      : loop_(loop), listener_(std::move(listener)), number_(number), load_(load) {}
  void accept();
  void ready(std::uint32_t events);
  void receive();
  void take_connect_line(const std::string& bytes);
  void answer(const wire::HostMessage& message);
  void send(const wire::GuestMessage& message);
  void flush();
  void close();

  EventLoop& loop_;
  Fd listener_;
  std::uint64_t number_;
  Load load_;
  std::chrono::nanoseconds born_ = boottime();
  Clock::time_point booted_ = Clock::now();
  std::uint64_t sequence_ = 0;
  std::uint64_t collects_ = 0;

  // Of this connection.
  Fd connection_;
  bool open_ = false;        // CONNECT was answered
  bool introduced_ = false;  // so was the host's Hello
  std::string line_;
  wire::FrameReader frames_;
  std::string unsent_;
};

}  // namespace katameter::simulator
