#pragma once

#include <optional>

#include "host-probe/exposition/labelled_report.h"

namespace katameter {

/// One series of each living sandbox of which `value` knows one: it takes a SandboxReport and returns an optional double.
template <typename Value>
void add_of_each(Families& families, const LabelledReport& report, const Descriptor& metric, const Labels& further,
                 const Value& value) {
  for (const LabelledSandbox& sandbox : report.living()) {
    if (const std::optional<double> of = value(sandbox.report)) families.add(metric, sandbox.id, further, *of);
  }
}

}  // namespace katameter
