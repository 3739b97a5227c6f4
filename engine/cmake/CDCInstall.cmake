# `cmake --install`: programs, libraries, plugins, the SDK's headers and the package that find_package(cdc) finds.
include(CMakePackageConfigHelpers)
# All that a user runs, without the tests: what tools/quickstart builds.
get_property(_plugins GLOBAL PROPERTY CDC_PLUGIN_TARGETS)
add_custom_target(product DEPENDS ${_plugins})
if(CDC_TENSORS)
  get_property(_targets DIRECTORY ${PROJECT_SOURCE_DIR}/tools PROPERTY BUILDSYSTEM_TARGETS)
  foreach(_target ${_targets})
    get_target_property(_type ${_target} TYPE)
    if(_type STREQUAL "EXECUTABLE")
      set_target_properties(${_target} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
      install(TARGETS ${_target} RUNTIME DESTINATION bin)
      add_dependencies(product ${_target})
    endif()
  endforeach()
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/engine/include/cdc DESTINATION include FILES_MATCHING PATTERN "*.hpp")
  configure_file(${PROJECT_SOURCE_DIR}/engine/cmake/cdcConfig.cmake.in ${PROJECT_BINARY_DIR}/package/cdcConfig.cmake @ONLY)
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/cdcConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/package/cdcConfig.cmake ${PROJECT_BINARY_DIR}/package/cdcConfigVersion.cmake
                ${PROJECT_SOURCE_DIR}/engine/cmake/CDCTorch.cmake
          DESTINATION lib/cmake/cdc)
endif()
