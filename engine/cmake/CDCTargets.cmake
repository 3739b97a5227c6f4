# What tests run with. Passive waiting: tests run side by side, and threads that spin would take the others' cores. LibTorch's libraries are not instrumented, so
# that a std::vector which crosses into them looks overrun to the address sanitizer.
set(CDC_TEST_ENVIRONMENT OMP_WAIT_POLICY=passive ASAN_OPTIONS=detect_container_overflow=0:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
                         TSAN_OPTIONS=ignore_noninstrumented_modules=1)

# What every target of this project shares.
function(cdc_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)  # false alarms in std::variant with GCC 12
  endif()
  if(CDC_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CDC_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${CDC_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    if(CDC_SANITIZE MATCHES "undefined")
      target_compile_options(${target} PRIVATE -fno-sanitize=vptr)  # false alarms in oneTBB's flow graph headers
    endif()
    target_link_options(${target} PRIVATE -fsanitize=${CDC_SANITIZE})
  endif()
endfunction()

# All sources of a folder but the tests.
function(cdc_sources variable)
  set(all)
  foreach(folder ${ARGN})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
    list(APPEND all ${found})
  endforeach()
  list(FILTER all EXCLUDE REGEX "_test\\.cpp$")
  set(${variable} ${all} PARENT_SCOPE)
endfunction()

# A limit that only a test which hangs reaches, in seconds: the slowest takes minutes, and a machine may be slow and busy.
set(CDC_TEST_TIMEOUT 7200)

# cdc_test_program(NAME SOURCES... LIBRARIES... [LABELS ...] [ENVIRONMENT ...] [SPLIT SOURCE ...]): one program, and one CTest test a source file (a process that
# links LibTorch takes 0.4 s to start, so not one a test case): its suites, read from the file. Of the sources of SPLIT, whose tests are made by who calls this, none.
function(cdc_test_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES;LABELS;ENVIRONMENT;SPLIT" ${ARGN})
  if(NOT arg_SOURCES)
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} fmt::fmt TBB::tbb GTest::gtest_main)
  cdc_compile_options(${name})
  foreach(source ${arg_SOURCES})
    get_filename_component(stem ${source} NAME_WE)
    if(NOT stem MATCHES "_test$" OR source IN_LIST arg_SPLIT)
      continue()
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(STRINGS ${source} lines REGEX "^(TYPED_)?TEST(_F|_P)?\\(")
    set(suites)
    foreach(line ${lines})
      string(REGEX REPLACE "^(TYPED_)?TEST(_F|_P)?\\([ ]*([A-Za-z0-9_]+).*" "\\3" suite "${line}")
      list(APPEND suites "${suite}.*" "*/${suite}.*" "*/${suite}/*" "${suite}/*")
    endforeach()
    list(REMOVE_DUPLICATES suites)
    string(REPLACE ";" ":" filter "${suites}")
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    set(test ${folder}/${stem})
    add_test(NAME ${test} COMMAND ${name} --gtest_filter=${filter} --gtest_brief=0)
    set_tests_properties(${test} PROPERTIES TIMEOUT ${CDC_TEST_TIMEOUT} LABELS "${arg_LABELS}" ENVIRONMENT "${CDC_TEST_ENVIRONMENT};${arg_ENVIRONMENT}")
  endforeach()
endfunction()

# cdc_plugin_family(NAME [TORCH] [LIBRARIES ...]): every .cpp of plugins/NAME but the tests, as one shared object that the loader finds. With TORCH its nodes
# may use LibTorch; without tensors (CDC_TENSORS=OFF) those families are left out.
function(cdc_plugin_family family)
  cmake_parse_arguments(arg "TORCH" "" "LIBRARIES" ${ARGN})
  cdc_sources(sources ${family})
  if(NOT sources OR (arg_TORCH AND NOT CDC_TENSORS))
    return()
  endif()
  set(target cdc_plugin_${family})
  add_library(${target} MODULE ${sources})
  set_target_properties(${target} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/cdc/plugins
                                             INSTALL_RPATH "$ORIGIN/../..;${CDC_TORCH_RPATH}")
  target_link_libraries(${target} PRIVATE cdc_core fmt::fmt TBB::tbb ${arg_LIBRARIES})
  if(arg_TORCH)
    target_link_libraries(${target} PRIVATE cdc_engine)
  endif()
  target_link_options(${target} PRIVATE -Wl,-z,nodelete,--no-undefined)
  cdc_compile_options(${target})
  install(TARGETS ${target} LIBRARY DESTINATION lib/cdc/plugins)
  set_property(GLOBAL APPEND PROPERTY CDC_PLUGIN_TARGETS ${target})
endfunction()
