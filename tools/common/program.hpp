#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "exec/tensor_engine.hpp"
#include "plugin/registry.hpp"

/// What the programs share.
namespace cdc::program {

/// As typed, quoted where a shell would need it.
std::string command_line(int argc, const char* const* argv);
/// The plugins beside the program, those of CDC_PLUGIN_PATH, and these libraries or folders of such.
void load_plugins(Registry& registry, const std::vector<std::filesystem::path>& further);
/// What keeps LibTorch from being loaded (base/memory.hpp), for exit code 2; empty where nothing does, or where this build is without it.
std::string memory_problem();
/// Of cdc, LibTorch and the compiler, for the record of a run.
Value versions(const TensorEngine& engine);
/// The commit of the sources, with "-dirty" where they were changed beyond it; empty where they were in no work tree of git's.
extern const char* const kCommit;
/// Does the work of a program that loads LibTorch, and says what went wrong on the way. Its exit code: what `work` gives, 2 for a wrong file
/// (ConfigError) or too little memory to begin, 3 for a plugin that cannot be loaded, 4 for all else. Where it dies, or a plugin ends it, LastWords
/// says in whose code.
int with_errors_told(const std::string& program, const std::function<int()>& work);
/// Calls `handler` where the user (SIGINT) or a batch system (SIGTERM) asks to stop, the terminal closes (SIGHUP; not under nohup) or who reads the
/// program's output has gone (SIGPIPE). All but SIGINT may come more than once for one wish.
void on_stop_signals(void (*handler)(int));
/// A file that would become larger than allowed (ulimit -f) is then an error that names it, and no silent end of the program.
void tell_of_files_too_large();
/// "3.2 s", "4:05", "1:02:03".
std::string duration_text(double seconds);

}  // namespace cdc::program
