#include "userspace/result.h"

#include <system_error>

namespace katameter {

tl::unexpected<Error> system_failure(std::string text, int code) {
  // generic_category() gives strerror's words and, unlike strerror, is safe with several threads.
  text += ": " + std::generic_category().message(code);
  return tl::make_unexpected(Error{code, std::move(text)});
}

}  // namespace katameter
