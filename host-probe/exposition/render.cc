#include "host-probe/exposition/render.h"

#include <utility>

#include "host-probe/exposition/labelled_report.h"
#include "host-probe/exposition/metric_table.h"
#include "host-probe/exposition/own_process.h"
#include "host-probe/exposition/render_account.h"
#include "host-probe/exposition/render_containers.h"
#include "host-probe/exposition/render_guests.h"
#include "host-probe/exposition/render_processes.h"

namespace katameter {
namespace {

// To join on sandbox_id what has no other label of the pod.
void add_info(Families& families, const LabelledReport& report) {
  for (const LabelledSandbox& sandbox : report.living()) {
    if (!sandbox.report.names) continue;
    const SandboxNames& names = *sandbox.report.names;
    families.add(metric::sandbox_info, sandbox.id,
                 {{"namespace", names.pod_namespace}, {"pod", names.pod}, {"runtime_handler", names.runtime_handler}},
                 1);
  }
}

void add_collectors(Families& families, const NodeReport& report) {
  const std::pair<const char*, const CollectorReport&> collectors[] = {{"guests", report.guests},
                                                                       {"processes", report.processes}};
  for (const auto& [name, collector] : collectors) {
    families.add(metric::collector_duration, {{"collector", name}}, collector.seconds);
  }
  for (const auto& [name, collector] : collectors) {
    families.add(metric::collector_success, {{"collector", name}}, collector.success ? 1 : 0);
  }
}

void add_node(Families& families, bool success) {
  families.add(metric::build_info, {{"version", KATAMETER_VERSION}}, 1);
  families.add(metric::collect_success, {}, success ? 1 : 0);
  add_own_process(families);
}

}  // namespace

void render(const NodeReport& report, Families::Send send) {
  Families families(std::move(send));
  const LabelledReport labelled(report);
  add_containers(families, labelled, static_cast<double>(report.unix_seconds));
  add_guests(families, labelled);
  add_processes(families, labelled);
  add_accounts(families, labelled);
  add_info(families, labelled);
  add_node(families, true);
  families.add(metric::sandboxes, {}, static_cast<double>(labelled.living().size()));
  families.add(metric::host_figures, {}, report.host_figures ? 1 : 0);
  families.add(metric::collect_duration, {}, report.duration_seconds);
  add_collectors(families, report);
  families.finish();
}

void render_failure(Families::Send send) {
  Families families(std::move(send));
  add_node(families, false);
  families.finish();
}

}  // namespace katameter
