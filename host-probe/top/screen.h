#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace katameter {

/// The terminal without line editing, on its second screen. It is as it was when this goes, and also when a signal ends
/// the program meanwhile. There is one terminal, so make one of these at a time.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// Columns; 0 where the terminal does not say.
  static std::size_t width();
  /// Replaces what is on the screen.
  static void show(const std::string& text);
  /// A key, or 0 if none came in time; `q` at the end of the input.
  static char key(std::chrono::milliseconds wait);
};

}  // namespace katameter
