# SPDX-License-Identifier: Apache-2.0
# Finds nvcc: LH_NVCC, and LH_NVCC_VERSION where it is one that can compile the kernels (C++20).
find_program(LH_NVCC nvcc HINTS /usr/local/cuda/bin $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin)
set(LH_NVCC_VERSION)
if(LH_NVCC)
  execute_process(COMMAND ${LH_NVCC} --version OUTPUT_VARIABLE said ERROR_QUIET)
  if(said MATCHES "release ([0-9]+\\.[0-9]+)" AND CMAKE_MATCH_1 VERSION_GREATER_EQUAL 12.0)
    set(LH_NVCC_VERSION ${CMAKE_MATCH_1})
  endif()
endif()
# An nvcc that does not get along with this machine's C++ compiler is as good as none.
if(LH_NVCC_VERSION AND NOT LH_NVCC_WORKS STREQUAL "${LH_NVCC} ${LH_NVCC_VERSION}")
  file(WRITE ${CMAKE_BINARY_DIR}/nvcc_works.cu "#include <cstdint>\n#include <type_traits>\n__global__ void kernel(std::uint32_t* to) { *to = 1; }\n")
  execute_process(COMMAND ${LH_NVCC} -std=c++20 -fatbin -o ${CMAKE_BINARY_DIR}/nvcc_works.fatbin ${CMAKE_BINARY_DIR}/nvcc_works.cu
                  RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(failed)
    message(STATUS "${LH_NVCC} does not work here, so there will be no kernels for GPUs: ${said}")
    set(LH_NVCC_VERSION)
  else()
    set(LH_NVCC_WORKS "${LH_NVCC} ${LH_NVCC_VERSION}" CACHE INTERNAL "")
  endif()
endif()
