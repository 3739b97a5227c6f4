# Writes OUTPUT, a .cpp with the commit that SOURCE is at, where it differs: one small file is compiled and the programs are linked anew, nothing else. Empty where SOURCE is no
# work tree of git's, as in an archive, even if a folder above it is one.
set(commit "")
find_program(git git)
if(git)
  execute_process(COMMAND ${git} -C ${SOURCE} rev-parse --show-toplevel OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH "${SOURCE}" source)
  if("${top}" STREQUAL "${source}")
    execute_process(COMMAND ${git} --no-optional-locks -C ${SOURCE} describe --always --dirty --abbrev=40 --exclude=* OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE
                    ERROR_QUIET)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#include \"common/program.hpp\"

const char* const cdc::program::kCommit = \"${commit}\";
")
