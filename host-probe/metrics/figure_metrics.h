#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "host-probe/metrics/text_writer.h"
#include "userspace/figures/figure.h"
#include "userspace/wire/messages.h"

// The metrics that the rows of userspace/figures/container.def and guest.def have.
namespace katameter::host {

/// How a metric's series follow from a figure; no value, no series. The functions of the same names are what a row says.
struct Shown {
  enum class Rule : std::uint8_t { value, if_not_0, limit_beside, counted_by_host };
  Rule rule = Rule::value;
  std::size_t beside = 0;  ///< limit_beside: the figure that is there whenever its controller is
  Label label{};           ///< of each series; without a name: none
  std::string_view other_label{};
  std::array<std::string_view, 2> other_values{};  ///< with other_label there is a series for each
  std::array<Label, 2> more_labels{};              ///< as label
  bool of_pod = false;                             ///< of a guest: with the labels of the pod, not the sandbox's
};

/// The metric of one figure of a container. Neighbours with the same descriptor are series of one metric. Without a name in
/// its descriptor it has no metric of its own.
struct ContainerMetric {
  const Descriptor* descriptor;
  std::string_view source;
  std::size_t figure;
  Shown shown;
};

/// The same of a figure of the guest as a whole.
struct GuestMetric {
  const Descriptor* descriptor;
  std::string_view source;
  wire::Figure wire::Guest::*figure;
  double divisor;  ///< of the value, for its series
  Shown shown;
};

namespace metric {
namespace detail {

// The value itself, seconds for times.
constexpr Shown value(std::string_view label = "", std::string_view of_label = "", std::string_view other = "",
                      std::string_view first = "", std::string_view second = "") {
  return {Shown::Rule::value, 0, {label, of_label}, other, {first, second}};
}
// Of one NUMA node, with the cgroups inside the container's.
constexpr Shown of_node(std::string_view type, std::string_view node) {
  Shown shown = value("type", type);
  shown.more_labels = {{{"scope", "hierarchy"}, {"node", node}}};
  return shown;
}
// cAdvisor has no series before there is something to count.
constexpr Shown if_not_0(std::string_view label, std::string_view of_label) {
  return {Shown::Rule::if_not_0, 0, {label, of_label}};
}
// 0 stands for "no limit", as in cAdvisor; without the figure beside it there is no series.
constexpr Shown limit_beside(std::size_t figure) {
  return {Shown::Rule::limit_beside, figure};
}
// By host-probe, from more than one snapshot (render.cc).
constexpr Shown counted_by_host() {
  return {Shown::Rule::counted_by_host};
}

// Of a guest as a whole, on the row of its pause container.
constexpr Shown of_pod(std::string_view label = "", std::string_view of_label = "") {
  Shown shown = value(label, of_label);
  shown.of_pod = true;
  return shown;
}

constexpr std::string_view unit_name(FigureUnit unit) {
  switch (unit) {
    case FigureUnit::cpu_time:
    case FigureUnit::task_time: return "seconds";
    case FigureUnit::boottime: return "seconds since 1970";
    case FigureUnit::microseconds: return "microseconds";
    case FigureUnit::bytes: return "bytes";
    case FigureUnit::periods: return "periods";
    case FigureUnit::shares: return "shares";
    case FigureUnit::times: return "times";
    case FigureUnit::faults: return "faults";
    case FigureUnit::kills: return "kills";
    case FigureUnit::tasks: return "tasks";
    case FigureUnit::processes: return "processes";
    case FigureUnit::switches: return "switches";
    case FigureUnit::containers: return "containers";
    case FigureUnit::cgroups: return "cgroups";
    case FigureUnit::interfaces: return "interfaces";
    case FigureUnit::devices: return "devices";
    case FigureUnit::events: return "events";
    case FigureUnit::stalls: return "stalls";
    case FigureUnit::requests: return "requests";
    case FigureUnit::errors: return "errors";
    case FigureUnit::pages: return "pages";
    case FigureUnit::flag: return "0 or 1";
    case FigureUnit::files: return "files";
    case FigureUnit::datagrams: return "datagrams";
    case FigureUnit::sockets: return "sockets";
    case FigureUnit::cpus: return "CPUs";
    case FigureUnit::calls: return "calls";
  }
  return "?";
}

// What a value has to be divided by for its series.
constexpr double divisor_of(FigureUnit unit) {
  return unit <= FigureUnit::boottime ? 1e9 : 1;
}

// The labels are those of Shown.
constexpr Descriptor descriptor(std::string_view name, std::string_view help, FigureKind kind, FigureUnit unit,
                                std::string_view source) {
  using prometheus::MetricType;
  return {name, help, is_counter(kind) ? MetricType::Counter : MetricType::Gauge, unit_name(unit), "", source};
}

inline constexpr auto container_descriptors = std::to_array<Descriptor>({
#define FIGURE(name, number, kind, unit, group, index, v1, v2, metric, shown, help, source) \
  descriptor(metric, help, FigureKind::kind, FigureUnit::unit, source),
#include "userspace/figures/container.def"
});

inline constexpr auto guest_descriptors = std::to_array<Descriptor>({
#define GUEST_FIGURE(name, number, presence, kind, unit, read, metric, shown, help, source) \
  descriptor(metric, help, FigureKind::kind, FigureUnit::unit, source),
#include "userspace/figures/guest.def"
});

// The series of a metric have one descriptor.
template <const auto& descriptors>
constexpr const Descriptor* descriptor_of(std::string_view metric) {
  return std::find_if(descriptors.begin(), descriptors.end(),
                      [&](const Descriptor& each) { return each.name == metric; });
}

}  // namespace detail

/// cAdvisor's metrics, by cAdvisor's names, types and meanings, and what cAdvisor does not have, under names of ours.
/// By figure::Index.
inline constexpr auto of_container = [] {
  using detail::counted_by_host;
  using detail::if_not_0;
  using detail::limit_beside;
  using detail::of_node;
  using detail::value;
  return std::array<ContainerMetric, figure::count>{{
#define FIGURE(name, number, kind, unit, group, index, v1, v2, metric, shown, help, source) \
  {detail::descriptor_of<detail::container_descriptors>(metric), source, figure::name, shown},
#include "userspace/figures/container.def"
  }};
}();

/// What is one value of a guest as a whole, in the order of guest.def.
inline constexpr auto of_guest = [] {
  using detail::of_pod;
  using detail::value;
  return std::to_array<GuestMetric>({
#define GUEST_FIGURE(name, number, presence, kind, unit, read, metric, shown, help, source) \
  {detail::descriptor_of<detail::guest_descriptors>(metric), source, &wire::Guest::name,    \
   detail::divisor_of(FigureUnit::unit), shown},
#include "userspace/figures/guest.def"
  });
}();

inline constexpr const Descriptor& container_ooms = *of_container[figure::oom_kills].descriptor;
inline constexpr const Descriptor& container_start = *of_container[figure::start_boottime_ns].descriptor;

}  // namespace metric

/// Computes the value of a metric's series from a container; nothing: there is no series.
class SeriesValue {
 public:
  explicit SeriesValue(const ContainerMetric& metric)
      : rule_(metric.shown.rule),
        member_(wire::container_figures[metric.figure].value),
        beside_(wire::container_figures[metric.shown.beside].value),
        divisor_(metric::detail::divisor_of(wire::container_figures[metric.figure].unit)) {}

  std::optional<double> operator()(const wire::Container& container) const {
    const wire::Figure& value = container.*member_;
    if (rule_ == Shown::Rule::limit_beside) return limit(value, container.*beside_);
    if (!value || (*value == 0 && rule_ == Shown::Rule::if_not_0)) return std::nullopt;
    return static_cast<double>(*value) / divisor_;
  }

 private:
  static std::optional<double> limit(const wire::Figure& value, const wire::Figure& beside) {
    constexpr std::uint64_t unlimited = std::uint64_t{1} << 62;
    if (!value && !beside) return std::nullopt;
    return value.value_or(0) > unlimited ? 0.0 : static_cast<double>(value.value_or(0));
  }

  Shown::Rule rule_;
  wire::Figure wire::Container::*member_;
  wire::Figure wire::Container::*beside_;
  double divisor_;
};

}  // namespace katameter::host
