// cdc-inspect [PLUGIN] [--json]: lists all plugins, or tells all of one. Exit codes: 2 the command line (an id that is none, too), 3 a plugin
// library that could not be loaded.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "base/last_words.hpp"
#include "cdc/error.hpp"
#include "common/program.hpp"
#include "common/safe_output.hpp"
#include "config/suggest.hpp"
#include "describe.hpp"
#include "plugin/registry.hpp"

int main(int argc, char** argv) {
  const cdc::program::SafeOutput safe;
  CLI::App app{
      "Lists the plugins that a pipeline file can name, or describes one: its parameters, ports and sizes.\n"
      "Plugins are looked for beside this program and in the folders of CDC_PLUGIN_PATH."};
  std::string id;
  bool as_json = false;
  app.add_option("PLUGIN", id, "The plugin to describe, for example head.cdc");
  app.add_flag("--json", as_json, "Print JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }

  const cdc::LastWords words("cdc-inspect", 3);
  if (const std::string problem = cdc::program::memory_problem(); !problem.empty()) {
    std::cerr << fmt::format("error: {}\n", problem);
    return 2;
  }
  cdc::Registry registry;
  try {
    registry.load_default_folders();
  } catch (const cdc::Error& e) {
    std::cerr << fmt::format("error: {}\n", e.what());
    return 3;
  }
  const auto all = registry.all();
  if (app.count("PLUGIN") == 0) {
    if (as_json) {
      cdc::Value list = cdc::Value::array();
      for (const cdc::ComponentInfo* info : all) list.push_back(cdc::inspect::json(*info));
      std::cout << fmt::format("{}\n", list.to_json(2));
    } else {
      std::cout << (cdc::inspect::list_text(all));
    }
    return 0;
  }
  const cdc::ComponentInfo* info = registry.find(id);
  if (info == nullptr) {
    std::vector<std::string> ids;
    for (const cdc::ComponentInfo* one : all) ids.push_back(one->id);
    std::string hint = cdc::did_you_mean(id, ids);
    if (hint.empty()) hint = "; cdc-inspect without an argument lists all; " + registry.where_searched();
    std::cerr << fmt::format("error: there is no plugin '{}'{}\n", id, hint);
    return 2;
  }
  std::cout << (as_json ? cdc::inspect::json(*info).to_json(2) + "\n" : cdc::inspect::text(*info));
  return 0;
}
