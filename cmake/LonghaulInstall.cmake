# SPDX-License-Identifier: Apache-2.0
# cmake --install: library, headers, find_package(longhaul), pkg-config longhaul, all_reduce_perf with report.py, longhaul.
include(CMakePackageConfigHelpers)

install(TARGETS longhaul EXPORT longhaulTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/longhaul DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT longhaulTargets NAMESPACE longhaul:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/longhaul)
configure_package_config_file(cmake/longhaulConfig.cmake.in ${CMAKE_BINARY_DIR}/longhaulConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/longhaul)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/longhaulConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/longhaulConfig.cmake ${CMAKE_BINARY_DIR}/longhaulConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/longhaul)
file(RELATIVE_PATH LH_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/longhaul.pc.in ${CMAKE_BINARY_DIR}/longhaul.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/longhaul.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(LH_BUILD_BENCHMARKS)
  install(TARGETS all_reduce_perf DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(PROGRAMS benchmarks/report.py DESTINATION ${CMAKE_INSTALL_DATADIR}/longhaul)
  install(DIRECTORY benchmarks/reporting DESTINATION ${CMAKE_INSTALL_DATADIR}/longhaul FILES_MATCHING PATTERN "*.py")
endif()
if(LH_BUILD_TOOLS)
  install(TARGETS longhaul_tool DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
