# SPDX-License-Identifier: Apache-2.0
# Options, and the flags every target of this project is compiled with.
option(LH_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(LH_BUILD_BENCHMARKS "Build all_reduce_perf" ${PROJECT_IS_TOP_LEVEL})
option(LH_BUILD_TOOLS "Build the longhaul command" ${PROJECT_IS_TOP_LEVEL})
option(LH_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(LH_BUILD_FUZZERS "Build the fuzz targets (needs clang)" OFF)
option(LH_WERROR "Treat warnings as errors" ${PROJECT_IS_TOP_LEVEL})
set(LH_WITH_MPI AUTO CACHE STRING "lhCommInitMPI: AUTO, ON or OFF")
set(LH_WITH_CUDA AUTO CACHE STRING "Codecs as kernels for GPUs, by nvcc: AUTO, ON or OFF")
set(LH_WITH_NVTX AUTO CACHE STRING "NVTX ranges for profilers, by CUDA's headers alone: AUTO, ON or OFF")
set(LH_SANITIZE "" CACHE STRING "Sanitizers for everything, e.g. address,undefined or thread")
set_property(CACHE LH_WITH_MPI LH_WITH_CUDA LH_WITH_NVTX PROPERTY STRINGS AUTO ON OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(lh_flags INTERFACE)
target_compile_options(lh_flags INTERFACE -Wall -Wextra -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wconversion -Wsign-conversion -Wunused-result -Wnon-virtual-dtor>
  $<$<BOOL:${LH_WERROR}>:-Werror>)
# False alarms of GCC 12's optimiser inside std::string and std::optional (fixed in GCC 13: bugs 105329, 105651, 105562).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(lh_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict -Wno-stringop-overflow
    -Wno-maybe-uninitialized -Wno-use-after-free>)
endif()
if(LH_SANITIZE)
  target_compile_options(lh_flags INTERFACE -fsanitize=${LH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(lh_flags INTERFACE -fsanitize=${LH_SANITIZE})
endif()
if(LH_BUILD_FUZZERS)  # so that libFuzzer sees which branches of the library its input took
  target_compile_options(lh_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
