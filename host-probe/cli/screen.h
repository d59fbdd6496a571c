#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "host-probe/cli/sandbox_table.h"

namespace katameter::host {

/// What came from the keyboard within a time; nothing, if nothing came. Of a key that sends several bytes, as the arrows
/// do, nothing comes either.
struct Key {
  std::optional<char> pressed;
  bool end_of_input = false;
};

/// The terminal without line editing, on its second screen. It is as it was when this goes, and also when a signal ends
/// the program meanwhile. There is one terminal, so make one of these at a time.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// 0 where the terminal does not say.
  static TableSize size();
  /// Replaces what is on the screen.
  static void show(const std::string& text);
  static Key key(std::chrono::milliseconds wait);
};

}  // namespace katameter::host
