# Finds one LibTorch, whole and unmixed, and gives the target cdc::torch. Used by the engine's build and, installed, by find_package(cdc).
#
#   CDC_TORCH (in)      a folder with include/ and lib/; a Python installation's site-packages/torch, or the site-packages above it, or a virtual
#                       environment; empty: the system's
#   CDC_TORCH_INCLUDE, CDC_TORCH_LIBRARY_FOLDER, CDC_TORCH_VERSION (out)
#   CDC_TORCH_VERSION_INCLUDE (out)   a folder that has torch's version header and nothing else, for those who only have to know which LibTorch this is
#
# TorchConfig.cmake is not used: it wants a CUDA toolkit for a CUDA build of LibTorch (this project compiles no CUDA), and with two LibTorches on a machine
# it takes libraries of both, with which a program dies before main().
set(_cdc_torch_remedy "Install Debian's libtorch-dev, or name a LibTorch from 1.13 to 2.13: -DCDC_TORCH=DIR, where DIR has include/ and lib/, or is a\
 Python installation's site-packages/torch.")

# The folder that has include/torch.
set(_cdc_torch_only)
set(_cdc_torch_includes)
set(_cdc_torch_libraries)
if(CDC_TORCH)
  set(_cdc_torch_only NO_DEFAULT_PATH)
  set(_cdc_torch_root)
  file(GLOB _cdc_torch_venv LIST_DIRECTORIES true "${CDC_TORCH}/lib/python3*/site-packages/torch")
  foreach(_folder ${CDC_TORCH} ${CDC_TORCH}/torch ${_cdc_torch_venv})
    if(NOT _cdc_torch_root AND EXISTS ${_folder}/include/torch/csrc/api/include/torch/version.h)
      get_filename_component(_cdc_torch_root ${_folder} REALPATH)
    endif()
  endforeach()
  if(NOT _cdc_torch_root)
    message(FATAL_ERROR "CDC_TORCH is '${CDC_TORCH}', which holds no LibTorch (include/torch/csrc/api/include/torch/version.h is not there). ${_cdc_torch_remedy}")
  endif()
  set(_cdc_torch_includes HINTS ${_cdc_torch_root}/include)
  set(_cdc_torch_libraries HINTS ${_cdc_torch_root}/lib)
endif()
foreach(_found CDC_TORCH_INCLUDE CDC_TORCH_LIB_torch CDC_TORCH_LIB_torch_cpu CDC_TORCH_LIB_c10 _cdc_fmt_include)
  unset(${_found})
endforeach()
find_path(CDC_TORCH_INCLUDE torch/csrc/api/include/torch/version.h ${_cdc_torch_includes} ${_cdc_torch_only} NO_CACHE)
foreach(_library torch torch_cpu c10)
  find_library(CDC_TORCH_LIB_${_library} ${_library} ${_cdc_torch_libraries} ${_cdc_torch_only} NO_CACHE)
  if(NOT CDC_TORCH_LIB_${_library} OR NOT CDC_TORCH_INCLUDE)
    message(FATAL_ERROR "LibTorch was not found (lib${_library}.so, its headers; CDC_TORCH is '${CDC_TORCH}'). ${_cdc_torch_remedy}")
  endif()
endforeach()

# One prefix. Real paths, since a folder of the search path may be a link to another.
get_filename_component(CDC_TORCH_INCLUDE ${CDC_TORCH_INCLUDE} REALPATH)
get_filename_component(_cdc_torch_prefix ${CDC_TORCH_INCLUDE} DIRECTORY)
foreach(_library torch torch_cpu c10)
  get_filename_component(_path ${CDC_TORCH_LIB_${_library}} REALPATH)
  get_filename_component(_folder_${_library} ${_path} DIRECTORY)
  if(NOT _folder_${_library} STREQUAL _folder_torch OR NOT "${_path}" MATCHES "^${_cdc_torch_prefix}/")
    message(FATAL_ERROR "This is a mix of two LibTorches: headers in ${CDC_TORCH_INCLUDE}, libtorch in ${_folder_torch}, lib${_library} in ${_folder_${_library}}. Name\
 one of them: -DCDC_TORCH=DIR, and take the other out of CMAKE_PREFIX_PATH.")
  endif()
endforeach()
get_filename_component(CDC_TORCH_LIBRARY_FOLDER ${CDC_TORCH_LIB_torch} DIRECTORY)
# For installed libraries. CMAKE_INSTALL_RPATH_USE_LINK_PATH leaves out folders below the project's own, where build/oracle-venv is.
set(CDC_TORCH_RPATH)
if(CDC_TORCH)
  set(CDC_TORCH_RPATH ${CDC_TORCH_LIBRARY_FOLDER})
endif()

# The version; from 2.9 on version.h only includes another.
set(CDC_TORCH_VERSION)
set(_cdc_torch_version_headers torch/csrc/api/include/torch/version.h)
if(EXISTS ${CDC_TORCH_INCLUDE}/torch/headeronly/version.h)
  list(APPEND _cdc_torch_version_headers torch/headeronly/version.h)
endif()
foreach(_header ${_cdc_torch_version_headers})
  foreach(_part MAJOR MINOR PATCH)
    file(STRINGS ${CDC_TORCH_INCLUDE}/${_header} _line REGEX "^#define TORCH_VERSION_${_part} +[0-9]+" LIMIT_COUNT 1)
    if("${_line}" MATCHES "([0-9]+)$")
      list(APPEND CDC_TORCH_VERSION ${CMAKE_MATCH_1})
    endif()
  endforeach()
endforeach()
string(REPLACE ";" "." CDC_TORCH_VERSION "${CDC_TORCH_VERSION}")
if(NOT CDC_TORCH_VERSION MATCHES "^[0-9]+\\.[0-9]+\\.[0-9]+$")
  message(FATAL_ERROR "The version of the LibTorch in ${CDC_TORCH_INCLUDE} could not be read from torch/version.h. ${_cdc_torch_remedy}")
endif()
if(CDC_TORCH_VERSION VERSION_LESS 1.13)
  message(FATAL_ERROR "The LibTorch in ${_cdc_torch_prefix} is ${CDC_TORCH_VERSION}; 1.13 is the oldest that is supported. ${_cdc_torch_remedy}")
endif()

# The ABI of std::string, read off the mangled name of c10::Error's constructor: no program need be built for that.
file(STRINGS ${CDC_TORCH_LIB_c10} _cdc_torch_symbols REGEX "_ZN3c105ErrorC[12]ENS_14SourceLocationE")
if(_cdc_torch_symbols AND NOT "${_cdc_torch_symbols}" MATCHES "__cxx11")
  message(FATAL_ERROR "The LibTorch in ${_cdc_torch_prefix} was built with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0), as PyTorch's wheels were up to 2.6. Take the archive whose name has\
 'cxx11-abi', or a wheel of 2.7 or newer. ${_cdc_torch_remedy}")
endif()

# Some LibTorches carry copies of other libraries' headers. Those that programs link from the system must be seen first, or headers of one version meet
# the library of another: a folder of links comes before LibTorch's headers.
set(_cdc_torch_before)
if(EXISTS ${CDC_TORCH_INCLUDE}/fmt AND NOT CDC_TORCH_INCLUDE STREQUAL "/usr/include")
  find_path(_cdc_fmt_include fmt/core.h NO_CACHE)
  if(_cdc_fmt_include AND NOT _cdc_fmt_include STREQUAL CDC_TORCH_INCLUDE)
    set(_cdc_torch_before ${PROJECT_BINARY_DIR}/before_torch)
    file(MAKE_DIRECTORY ${_cdc_torch_before})
    file(CREATE_LINK ${_cdc_fmt_include}/fmt ${_cdc_torch_before}/fmt SYMBOLIC)
  endif()
endif()
# The version is part of the path: ccache knows a compilation by its arguments and by the headers that were found, and would not see that with another
# LibTorch the same arguments find another header first.
set(CDC_TORCH_VERSION_INCLUDE ${PROJECT_BINARY_DIR}/torch_version/${CDC_TORCH_VERSION})
foreach(_header ${_cdc_torch_version_headers})
  get_filename_component(_folder ${CDC_TORCH_VERSION_INCLUDE}/${_header} DIRECTORY)
  file(MAKE_DIRECTORY ${_folder})
  file(CREATE_LINK ${CDC_TORCH_INCLUDE}/${_header} ${CDC_TORCH_VERSION_INCLUDE}/${_header} SYMBOLIC)
endforeach()

add_library(cdc_torch INTERFACE IMPORTED GLOBAL)
add_library(cdc::torch ALIAS cdc_torch)
target_include_directories(cdc_torch SYSTEM INTERFACE ${_cdc_torch_before} ${CDC_TORCH_INCLUDE} ${CDC_TORCH_INCLUDE}/torch/csrc/api/include)
target_link_libraries(cdc_torch INTERFACE ${CDC_TORCH_LIB_torch} ${CDC_TORCH_LIB_torch_cpu} ${CDC_TORCH_LIB_c10})
# For code that calls at::parallel_for, which is serial without OpenMP. It takes the OpenMP runtime that LibTorch brings, where it brings one: two of them are two
# teams of threads that spin against each other. So is a runtime of another compiler than GCC, with which the loops are left serial.
add_library(cdc_torch_parallel INTERFACE IMPORTED GLOBAL)
add_library(cdc::torch_parallel ALIAS cdc_torch_parallel)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  file(GLOB _cdc_torch_gomp ${CDC_TORCH_LIBRARY_FOLDER}/libgomp*.so*)
  if(NOT _cdc_torch_gomp)
    set(_cdc_torch_gomp gomp)
  endif()
  list(GET _cdc_torch_gomp 0 _cdc_torch_gomp)
  target_compile_options(cdc_torch_parallel INTERFACE -fopenmp)
  target_link_libraries(cdc_torch_parallel INTERFACE ${_cdc_torch_gomp})
endif()
# A CUDA build registers its kernels when its libraries are loaded; nothing refers to them by name, so the linker must be told to keep them. They refer to
# CUDA's own libraries, which come with LibTorch and the driver and need not be on the machine that builds.
set(_cdc_torch_cuda)
foreach(_library torch_cuda c10_cuda)
  if(EXISTS ${CDC_TORCH_LIBRARY_FOLDER}/lib${_library}.so)
    string(APPEND _cdc_torch_cuda ",${CDC_TORCH_LIBRARY_FOLDER}/lib${_library}.so")
  endif()
endforeach()
set(CDC_TORCH_CUDA OFF)
if(_cdc_torch_cuda)
  set(CDC_TORCH_CUDA ON)
  target_link_libraries(cdc_torch INTERFACE "-Wl,--push-state,--no-as-needed,${CDC_TORCH_LIB_torch}${_cdc_torch_cuda},--pop-state,--allow-shlib-undefined")
endif()
message(STATUS "LibTorch ${CDC_TORCH_VERSION} in ${_cdc_torch_prefix}, CUDA ${CDC_TORCH_CUDA}")
