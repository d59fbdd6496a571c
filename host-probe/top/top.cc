#include "host-probe/top/top.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "host-probe/top/http_get.h"
#include "host-probe/top/sandbox_rows.h"
#include "host-probe/top/screen.h"

namespace katameter {
namespace {

using Clock = std::chrono::steady_clock;

struct Scrape {
  std::vector<TextSeries> series;
  Clock::time_point at;
};

Result<Scrape> scrape(const TopOptions& options) {
  const auto text = http_get(options.address, options.path);
  if (!text) return failure(text.error().text + "; say where host-probe serves with --address and --path");
  auto series = parse_exposition(*text);
  if (!series)
    return failure("what http://" + options.address + options.path +
                   " serves is no exposition: " + series.error().text);
  return Scrape{*std::move(series), Clock::now()};
}

std::vector<SandboxRow> rows_of(const Scrape& earlier, const Scrape& now) {
  return sandbox_rows(earlier.series, now.series, std::chrono::duration<double>(now.at - earlier.at).count());
}

Status show_live(const TopOptions& options, Scrape earlier, std::chrono::milliseconds interval) {
  const Screen screen;
  bool containers = options.containers;
  std::string wrong;
  std::vector<SandboxRow> rows = rows_of(earlier, earlier);
  while (true) {
    Screen::show(sandbox_table(rows, containers, Screen::width()) + "\nq: quit   c: containers   CPU in % of one CPU" +
                 (wrong.empty() ? "" : "\n" + wrong));
    const auto next = Clock::now() + interval;
    char pressed = 0;
    for (auto now = Clock::now(); pressed == 0 && now < next; now = Clock::now()) {
      pressed = Screen::key(std::chrono::ceil<std::chrono::milliseconds>(next - now));
    }
    constexpr char ctrl_c = 3;
    if (pressed == 'q' || pressed == ctrl_c) return {};
    if (pressed == 'c') containers = !containers;
    if (pressed != 0) continue;
    auto now = scrape(options);
    wrong = now ? "" : now.error().text;
    if (!now) continue;
    rows = rows_of(earlier, *now);
    earlier = *std::move(now);
  }
}

}  // namespace

Status show_top(const TopOptions& options) {
  const std::chrono::milliseconds interval(static_cast<std::int64_t>(options.interval_seconds * 1000));
  auto earlier = scrape(options);
  if (!earlier) return failure_from(earlier.error());
  if (!options.json && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
    return show_live(options, *std::move(earlier), interval);
  }
  std::this_thread::sleep_for(interval);
  const auto now = scrape(options);
  if (!now) return failure_from(now.error());
  const auto rows = rows_of(*earlier, *now);
  std::fputs((options.json ? sandbox_json(rows) : sandbox_table(rows, options.containers)).c_str(), stdout);
  return {};
}

}  // namespace katameter
