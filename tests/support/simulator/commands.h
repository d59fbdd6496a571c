#pragma once

#include <string>
#include <string_view>

#include "tests/support/simulator/fleet.h"

namespace katameter::simulator {

/// Carries out one line of the simulator's standard input and returns the line to answer with:
/// - `add N`, `remove N` (the oldest): `ok`
/// - `boot N MS`: as add, of guests that take MS milliseconds to boot
/// - `count`: `guests N connected N collects FEWEST MOST`, the last two of one guest
/// What it does not know, or could not do, is answered with `error: ...`.
std::string carry_out(std::string_view line, Fleet& fleet);

}  // namespace katameter::simulator
