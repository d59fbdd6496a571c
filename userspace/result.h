#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace katameter {

/// Why something failed, in a form that can be shown to an operator as one line.
/// `code` is the errno of the failing call, 0 where no system call failed (a bad flag, a wrong frame).
struct Error {
  int code = 0;
  std::string text;
};

/// A value or the reason why there is none. Must be looked at: dropping one is a compiler error.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

/// An error without errno: the input, not the system, is at fault.
inline tl::unexpected<Error> failure(std::string text) {
  return tl::make_unexpected(Error{0, std::move(text)});
}

/// An error that keeps the errno of the call that just failed; its text ends with the system's own words for it.
/// `code` is a positive errno; libbpf's negative returns are to be negated by the caller.
tl::unexpected<Error> system_failure(std::string text, int code);
inline tl::unexpected<Error> system_failure(std::string text) {
  return system_failure(std::move(text), errno);
}

/// Hands the error of one result on as that of another, with what was being done in front.
inline tl::unexpected<Error> failure_from(Error error, const std::string& doing) {
  error.text = doing + ": " + error.text;
  return tl::make_unexpected(std::move(error));
}
inline tl::unexpected<Error> failure_from(Error error) {
  return tl::make_unexpected(std::move(error));
}

}  // namespace katameter
