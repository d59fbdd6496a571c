#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <string_view>

#include "guest-probe/commands/commands.h"
#include "guest-probe/commands/start.h"
#include "userspace/log.h"

namespace {

constexpr const char* default_configuration = "/etc/katameter/guest-probe.conf";

// One line: what is wrong and where to read on.
int report(const CLI::App& app, const CLI::ParseError& error, bool in_background) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  std::string text = error.what();
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  text += " (guest-probe --help lists what there is)";
  if (in_background) {
    katameter::log_error("{}", text);
  } else {
    std::cerr << "guest-probe: " << text << "\n";
  }
  return katameter::guest::exit_status::usage;
}

// `in_background`: nobody reads stderr, and errors of the command line go to the kernel's log.
int act(int argc, char** argv, bool in_background) {
  using namespace katameter;
  using namespace katameter::guest;
  if (in_background) start_log_in_background(LogLevel::info);
  RunOptions run_options;
  DumpOptions dump_options;
  std::size_t containers = run_options.containers;
  std::string level = "info";

  CLI::App app("Accounts the containers of a Kata guest with eBPF and serves the figures to the host.");
  app.set_version_flag("--version", "guest-probe " KATAMETER_VERSION);
  app.set_config("--config", default_configuration,
                 "Read options from this file (key = value, the options' names without dashes)")
      ->type_name("FILE");
  // The options' own names have dots, which would else stand for subcommands.
  app.get_config_formatter_base()->parentSeparator('\0');
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.fallthrough();
  app.add_option("--log.level", level, "debug, info, warning or error")->capture_default_str();
  std::string log_target = in_background ? "kmsg" : "stderr";
  app.add_option("--log.target", log_target, "stderr or kmsg (the kernel's log)")
      ->capture_default_str()
      ->check(CLI::IsMember({"stderr", "kmsg"}));
  app.add_option("--max-containers", containers, "Containers with a row of their own; the others are one sum")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, max_containers));
  Wanted wanted;
  app.add_flag(
      "--schedstat", wanted.schedstat,
      "Also sum up run-queue wait, context switches, and calls of read(2) and write(2) of the containers' tasks; costs "
      "something at the end of each task");
  app.add_flag("--open-files", wanted.open_files,
               "Also count the open files and sockets of the containers' processes; costs something for each of them");
  std::string virtiofs = "auto";
  app.add_option("--virtiofs", virtiofs,
                 "What to count of the containers' requests to virtiofs: counts (requests and bytes), all (also times, "
                 "errors and requests in flight), off, or auto (all with the BPF JIT, counts without)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "counts", "all", "off"}));

  CLI::App& run = *app.add_subcommand("run", "Serve until SIGTERM (what happens without a subcommand)");
  CLI::App& start = *app.add_subcommand("start", "Run in the background, unless one runs already; for a boot script");
  // main() has dealt with it: this is what it does in the background.
  CLI::App& prestart =
      *app.add_subcommand("prestart", "start as a guest hook of the Kata agent: ends with 0 whatever happens");
  for (CLI::App* target : {&app, &run, &start, &prestart}) {
    target->add_option("--listen", run_options.listen,
                       "vsock:PORT or unix:PATH, repeatable (default vsock:1717 and unix:" + default_socket + ")");
  }
  std::string& pins = run_options.pin_directory;
  app.add_option("--pin-dir", pins, "Where in a BPF file system to keep what outlives guest-probe; \"\" = nowhere")
      ->capture_default_str();
  CLI::App& dump = *app.add_subcommand("dump", "Print one snapshot, of the running guest-probe or by itself");
  dump.add_option("--format", dump_options.format, "text or json")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "json"}));
  dump.add_option("--socket", dump_options.socket, "Where guest-probe runs")->capture_default_str();
  CLI::App& check = *app.add_subcommand("check", "Say what guest-probe needs here, what is found and what to do");
  CLI::App& detach = *app.add_subcommand("detach", "Remove everything a stopped guest-probe left in the kernel");
  app.require_subcommand(0, 1);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report(app, error, in_background);
  }
  const Result<LogLevel> log_level = parse_log_level(level);
  if (!log_level) {
    std::cerr << "guest-probe: " << log_level.error().text << "\n";
    return exit_status::usage;
  }
  start_log(*log_level);
  run_options.containers = containers;
  wanted.virtiofs = virtiofs == "off"      ? VirtiofsMode::off
                    : virtiofs == "counts" ? VirtiofsMode::counts
                    : virtiofs == "all"    ? VirtiofsMode::all
                                           : VirtiofsMode::automatic;
  run_options.wanted = wanted;
  if (start.parsed()) {
    return start_command([&] {
      start_log_in_background(*log_level);
      return run_command(run_options);
    });
  }
  if (log_target == "kmsg") {
    if (Status status = start_kernel_log(*log_level, "guest-probe"); !status) log_warning("{}", status.error().text);
  }
  dump_options.containers = containers;
  dump_options.wanted = wanted;
  if (dump.parsed()) return dump_command(dump_options);
  if (check.parsed()) return check_command(containers, wanted);
  if (detach.parsed()) return detach_command(pins);
  return run_command(run_options);
}

}  // namespace

// The agent calls a hook NAME prestart; agents that leave the name in what they append to the program's path, NAME NAME
// prestart. It waits, so that even what is configured is read by the process that stays.
int main(int argc, char** argv) {
  const int name = argc == 3 && argv[1][0] != '-' && std::string_view(argv[2]) == "prestart" ? 1 : 0;
  const bool hook = argc - name >= 2 && std::string_view(argv[1 + name]) == "prestart";
  const bool asked = std::string_view(argv[argc - 1]) == "--help" || std::string_view(argv[argc - 1]) == "-h";
  if (!hook || asked) return act(argc, argv, false);
  return katameter::guest::prestart_command([&] { return act(argc - name, argv + name, true); });
}
